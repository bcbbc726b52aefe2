"""Core distances: the radius within which a point has `min_samples` entities, its own included.

The point itself counts, as in scikit-learn's HDBSCAN (there, `min_samples=1` makes every core distance 0).
Pairs of one shard, or of a tree of shards, are reduced to the nearest neighbours of each point; the files of
all shards together determine the distances.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError, TableReply
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.graph.neighbours import NearestNeighbours
from lambda_worker.graph.pairs import CandidatePairs, read_weights
from lambda_worker.tables.reading import check_ids, check_weights, read_features
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats
    from lambda_worker.contract.hdbscan import CoreDistancesEvent, NeighboursEvent

UNKNOWN = np.inf
"""The core distance of a point without enough neighbours."""


def keep_neighbours(event: NeighboursEvent, fold_rows: int = FOLD_ROWS) -> TableReply:
    """Write the nearest neighbours of each point; the bytes do not depend on the order of the pairs."""
    nearest = _nearest_neighbours(event, fold_rows)
    pairs = CandidatePairs(event.candidates, event.point_count, event.part)
    for a, b, distance in pairs.weighted_batches():
        nearest.add_pairs(a, b, distance)
    rows = nearest.rows()
    columns = {"point_id": rows.point, "distance": rows.distance, "weight": rows.weight}
    written = write_table(event.output, columns)
    return TableReply(ok=True, rows=len(rows), bytes=written, pairs=pairs.count or 0)


def find_core_distances(event: CoreDistancesEvent, fold_rows: int = FOLD_ROWS) -> TableReply:
    """Write the core distances from the neighbours of all shards."""
    nearest = _nearest_neighbours(event, fold_rows, event.span)
    for address in event.neighbours:
        for (ids, weight), distance in read_features(address, ("point_id", "weight"), ("distance",)):
            check_ids(ids, event.point_count, address)
            check_weights(ids, weight, address)
            nearest.add(ids, distance[0], weight)
    points, distances = nearest.core_distances()
    written = write_table(event.output, {"point_id": points, "core_distance": distances})
    return TableReply(ok=True, rows=len(points), bytes=written)


def read_core_distances(addresses: tuple[str, ...], point_count: int) -> Floats:
    """Return the core distance of every point, shape (point_count,); `UNKNOWN` if the files have none.

    Raises:
        InputError: An id names no point, a distance is below 0, or a point has two different ones.
    """
    core = np.full(point_count, UNKNOWN)
    for address in addresses:
        for (ids,), distance in read_features(address, ("point_id",), ("core_distance",)):
            check_ids(ids, point_count, address)
            before = core.take(ids)
            if distance.min() < 0 or bool(((before != UNKNOWN) & (before != distance[0])).any()):
                raise InputError(f"{address} holds negative core distances, or two of one point")
            core[ids] = distance[0]
    return core


def _nearest_neighbours(
    event: NeighboursEvent | CoreDistancesEvent, fold_rows: int, span: tuple[int, int] | None = None
) -> NearestNeighbours:
    asked = np.ones(event.point_count, np.bool_)
    if event.known:
        asked = read_core_distances(event.known, event.point_count) == UNKNOWN
    if span is not None:
        first, end = span
        asked[:first] = asked[end:] = False
    weights = read_weights(event.points, event.point_count)
    return NearestNeighbours(weights, event.min_samples, asked, fold_rows)
