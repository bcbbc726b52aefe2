"""The reachability plot of a bin: points and pairs in, rows of the day's plot out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.components.optics import NONE, Neighbours, draw_plot
from lambda_worker.contract import InputError
from lambda_worker.contract.components import OrderReply
from lambda_worker.tables.members import order_points, read_bin_pairs
from lambda_worker.tables.reading import read_bigints
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract.components import OrderEvent

UNDEFINED = -1.0
"""What a file holds for an infinite distance: no distance is negative."""

PLOT = ("start", "position", "point_id", "copies", "predecessor")
DISTANCES = ("reachability", "core_distance")


def order_bin(event: OrderEvent) -> OrderReply:
    """Write the plot of the components of a bin.

    Rows and bytes do not depend on the order of rows and files.
    """
    ids, weights = _read_points(event)
    a, b, distance = read_bin_pairs(event.candidates, ids)
    pairs = len(a)
    neighbours = Neighbours.of_pairs(a.astype(np.int32), b.astype(np.int32), distance, len(ids))
    del a, b, distance
    plot = draw_plot(neighbours, weights, event.min_samples)
    del neighbours
    written = write_table(
        event.output,
        {
            "start": ids.take(plot.start),
            "position": np.arange(len(plot.point)),
            "point_id": ids.take(plot.point),
            "copies": plot.copies,
            "reachability": _finite(plot.reachability),
            "predecessor": np.append(ids, NONE).take(plot.predecessor),
            "core_distance": _finite(plot.core_distance).take(plot.point),
        },
    )
    return OrderReply(
        ok=True,
        rows=len(plot.point),
        bytes=written,
        pairs=pairs,
        core_points=int(np.count_nonzero(plot.core_distance < np.inf)),
        runs=len(np.unique(plot.start)),
    )


def _read_points(event: OrderEvent) -> tuple[Ints, Ints]:
    """Ids, ascending, and weights."""
    parts = [
        np.stack(columns)
        for address in event.points
        for columns in read_bigints(address, ("point_id", "weight"))
    ]
    columns = np.concatenate([np.empty((2, 0), np.int64), *parts], axis=1)
    ids, weights = columns.take(order_points(columns[0], columns[1], event.point_count), axis=1)
    if len(ids) and int(ids[0]) < 0:
        raise InputError(f"point {ids[0]} of the bin has an id below 0")
    return ids, weights


def _finite(distance: Floats) -> Floats:
    return np.where(np.isinf(distance), UNDEFINED, distance)
