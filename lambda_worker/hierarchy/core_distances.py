"""Core distances: how far each point must look to see `min_samples` entities, its own included.

The point itself counts, as in scikit-learn's HDBSCAN (there, `min_samples=1` makes every core distance 0).
Pairs of one shard, or of a tree of shards, are reduced to the nearest neighbours of each point; the files of
all shards together tell the distances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.contract import InputError
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.contract.hierarchies import CoreDistancesReply, NeighboursReply
from lambda_worker.graph import CandidatePairs, read_weights
from lambda_worker.hierarchy.neighbours import NearestNeighbours
from lambda_worker.parquet_io import BATCH_ROWS, read_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.hierarchies import CoreDistancesEvent, NeighboursEvent

UNKNOWN = np.inf
"""The core distance of a point whose neighbours are not enough."""


def keep_neighbours(
    event: NeighboursEvent, batch_rows: int = BATCH_ROWS, fold_rows: int = FOLD_ROWS
) -> NeighboursReply:
    """Write the nearest neighbours of each point; equal pairs give equal bytes, in whatever order they come.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    nearest = _nearest_neighbours(event, batch_rows, fold_rows)
    pairs = CandidatePairs(event.candidates, event.point_count, batch_rows, event.part)
    for a, b, distance in pairs.weighted_batches():
        nearest.add_pairs(a, b, distance)
    rows = nearest.rows()
    columns = {"point_id": rows.point, "distance": rows.distance, "weight": rows.weight}
    written = write_table(event.output, columns)
    return NeighboursReply(ok=True, rows=len(rows), bytes=written, pairs=pairs.count or 0)


def find_core_distances(
    event: CoreDistancesEvent, batch_rows: int = BATCH_ROWS, fold_rows: int = FOLD_ROWS
) -> CoreDistancesReply:
    """Write the core distances that all shards together tell.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    nearest = _nearest_neighbours(event, batch_rows, fold_rows, event.span)
    for address in event.neighbours:
        for (ids, weight), distance in read_features(
            address, ("point_id", "weight"), ("distance",), batch_rows
        ):
            if ids.min() < 0 or ids.max() >= event.point_count or weight.min() < 1:
                raise InputError(f"{address} holds rows that are no neighbours of {event.point_count} points")
            nearest.add(ids, distance[0], weight)
    points, distances = nearest.core_distances()
    written = write_table(event.output, {"point_id": points, "core_distance": distances})
    return CoreDistancesReply(ok=True, rows=len(points), bytes=written)


def read_core_distances(
    addresses: tuple[str, ...], point_count: int, batch_rows: int = BATCH_ROWS
) -> NDArray[np.float64]:
    """The core distance of every point, shape (point_count,); `UNKNOWN` where the files have none.

    Raises:
        InputError: An id names no point, a distance is below 0, or a point has two different ones.
    """
    core = np.full(point_count, UNKNOWN)
    for address in addresses:
        for (ids,), distance in read_features(address, ("point_id",), ("core_distance",), batch_rows):
            if ids.min() < 0 or ids.max() >= point_count:
                stray = ids[(ids < 0) | (ids >= point_count)][0]
                raise InputError(f"{address}: point {stray} is not in 0..{point_count - 1}")
            before = core.take(ids)
            if distance.min() < 0 or bool(((before != UNKNOWN) & (before != distance[0])).any()):
                raise InputError(f"{address} holds negative core distances, or two of one point")
            core[ids] = distance[0]
    return core


def _nearest_neighbours(
    event: NeighboursEvent | CoreDistancesEvent,
    batch_rows: int,
    fold_rows: int,
    span: tuple[int, int] | None = None,
) -> NearestNeighbours:
    asked = np.ones(event.point_count, np.bool_)
    if event.known:
        asked = read_core_distances(event.known, event.point_count, batch_rows) == UNKNOWN
    if span is not None:
        first, end = span
        asked[:first] = asked[end:] = False
    weights = read_weights(event.points, event.point_count, batch_rows)
    return NearestNeighbours(weights, event.min_samples, asked, fold_rows)
