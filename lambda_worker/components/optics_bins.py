"""The reachability plot of a bin: points and pairs in, rows of the day's plot out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.components.optics import NONE, Neighbours, draw_plot
from lambda_worker.contract import InputError
from lambda_worker.contract.reachability import OrderReply
from lambda_worker.parquet_io import BATCH_ROWS, read_bigints, read_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.reachability import OrderEvent

UNDEFINED = -1.0
"""What a file holds for an infinite distance: no distance is negative."""

PLOT = ("start", "position", "point_id", "copies", "predecessor")
DISTANCES = ("reachability", "core_distance")


def order_bin(event: OrderEvent, batch_rows: int = BATCH_ROWS) -> OrderReply:
    """Write the plot of the components of a bin.

    Rows and bytes depend neither on `batch_rows` nor on the order of rows and files.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    ids, weights = _read_points(event, batch_rows)
    a, b, distance = _read_pairs(event.candidates, ids, batch_rows)
    pairs = len(a)
    neighbours = Neighbours.of_pairs(a, b, distance, len(ids))
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


def _read_points(event: OrderEvent, batch_rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids, ascending, and weights."""
    parts = [
        np.stack(columns)
        for address in event.points
        for columns in read_bigints(address, ("point_id", "weight"), batch_rows)
    ]
    ids, weights = np.concatenate(parts, axis=1) if parts else np.empty((2, 0), np.int64)
    if len(ids) != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {len(ids)}")
    order = np.argsort(ids)
    ids, weights = ids.take(order), weights.take(order)
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise InputError(f"point {ids[int(np.argmax(twice))]} comes twice")
    if len(ids) and (int(weights.min()) < 1 or int(ids[0]) < 0):
        raise InputError("a point of the bin has a negative id or a weight below 1")
    return ids, weights


class _Pairs(NamedTuple):
    """Positions of the points of pairs, and their distance; shape (pairs,) each."""

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    distance: NDArray[np.float64]


def _read_pairs(addresses: tuple[str, ...], ids: NDArray[np.int64], batch_rows: int) -> _Pairs:
    parts = [_Pairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0))]
    for address in addresses:
        for ends, (distance,) in read_features(address, ("point_a", "point_b"), ("distance",), batch_rows):
            low, high = (_positions(ids, end, address) for end in ends)
            if bool((low >= high).any()) or float(distance.min()) < 0:
                raise InputError(f"{address} holds a pair that is not a < b, or a distance below 0")
            parts.append(_Pairs(low, high, distance))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _positions(ids: NDArray[np.int64], wanted: NDArray[np.int64], address: str) -> NDArray[np.int32]:
    at = np.searchsorted(ids, wanted)
    stray = np.append(ids, -1).take(at) != wanted
    if stray.any():
        raise InputError(f"{address}: a pair names point {wanted[np.argmax(stray)]}, which is not in the bin")
    return at.astype(np.int32)


def _finite(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isinf(distance), UNDEFINED, distance)
