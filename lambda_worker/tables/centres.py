"""The table `centres`: the places that decide the cluster of a point, in long form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.tables.labels import NOISE
from lambda_worker.tables.reading import read_features
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Floats, Ints


def publish_centres(address: str | None, places: Floats, clusters: AnyInts) -> dict[str, int]:
    """Write the centres of clusters, and return the fields of the reply about the file.

    Args:
        address: The Parquet file to write; None writes nothing.
        places: Shape (centres, dimensions).
        clusters: Shape (centres,): cluster of each centre; -1 for one without points, which is left out.
    """
    if address is None:
        return {}
    kept = np.flatnonzero(clusters != NOISE)
    dimensions = places.shape[1]
    columns = {
        "centre": np.repeat(kept, dimensions),
        "cluster": np.repeat(clusters[kept], dimensions),
        "dimension": np.tile(np.arange(dimensions), len(kept)),
        "value": np.ascontiguousarray(places[kept], np.float64).ravel(),
    }
    written = write_table(address, columns)
    return {"centre_rows": len(columns["value"]), "centre_bytes": written}


def read_centre_table(addresses: tuple[str, ...]) -> tuple[Floats, Ints]:
    """Return places and clusters of the centres in their order, shapes (centres, dimensions) and (centres,).

    Raises:
        InputError: A file is not of the contract, or a number is missing.
    """
    read = [
        (numbers, values[0])
        for address in addresses
        for numbers, values in read_features(address, ("centre", "cluster", "dimension"), ("value",))
    ]
    if not read:
        return np.empty((0, 0)), np.empty(0, np.int64)
    centre, cluster, dimension = (np.concatenate([numbers[k] for numbers, _ in read]) for k in range(3))
    value = np.concatenate([values for _, values in read])
    order = np.lexsort((dimension, centre))
    dimensions = int(dimension.max()) + 1
    if len(order) % dimensions or (dimension[order] != np.arange(len(order)) % dimensions).any():
        raise InputError("the table centres lacks numbers of a centre")
    return value[order].reshape(-1, dimensions), cluster[order][::dimensions]
