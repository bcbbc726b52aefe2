"""Core points from shards: each shard counts the entities near its points; one invocation adds the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError, TableReply
from lambda_worker.graph.pairs import CandidatePairs, read_weights
from lambda_worker.graph.union_find import BLOCK_IDS
from lambda_worker.kernel import loaded
from lambda_worker.tables.reading import check_ids, read_bigints
from lambda_worker.tables.writing import write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Ints, UnsignedInts
    from lambda_worker.contract import CoresEvent, DegreesEvent


def add_degrees(event: DegreesEvent) -> TableReply:
    """Write the number of entities near each point of a shard."""
    pairs = CandidatePairs(event.candidates, event.point_count, event.part)
    weights = read_weights(event.points, event.point_count) if event.points else None
    degrees = np.zeros(event.point_count, np.int64)
    add_neighbours(degrees, weights, pairs)
    rows, written = write_columns(event.output, ("point_id", "degree"), _touched(degrees))
    return TableReply(ok=True, rows=rows, bytes=written, pairs=pairs.count or 0)


def find_cores(event: CoresEvent) -> TableReply:
    """Write the points with `min_samples` entities within the threshold, their own included."""
    degrees = read_weights(event.points, event.point_count).astype(np.int64)
    for address in event.degrees:
        for ids, found in read_bigints(address, ("point_id", "degree")):
            check_ids(ids, event.point_count, address)
            if found.min() < 0:
                raise InputError(f"{address} holds a degree below 0")
            np.add.at(degrees, ids, found)
    is_core = degrees >= event.min_samples
    rows, written = write_columns(event.output, ("point_id",), core_blocks(is_core))
    return TableReply(ok=True, rows=rows, bytes=written)


def add_neighbours(degrees: Ints, weights: UnsignedInts | None, pairs: CandidatePairs) -> None:
    """Add to each point's degree the weight of the other end of each of its pairs.

    Args:
        degrees: Shape (points,).
        weights: Shape (points,); None where all are 1.
        pairs: The pairs.
    """
    kernel = loaded()
    if weights is None or not len(weights) or int(weights.max()) == 1:
        for a, b in pairs.batches():
            if kernel is not None:
                kernel.call.add_degrees(degrees, a, b, len(a))
            else:
                np.add.at(degrees, a, 1)  # a scalar is several times faster than an array of ones
                np.add.at(degrees, b, 1)
        return
    heavy = weights.astype(np.int64)
    for a, b in pairs.batches():
        if kernel is not None:
            kernel.call.add_weights(degrees, heavy, a, b, len(a))
        else:
            np.add.at(degrees, a, heavy.take(b))
            np.add.at(degrees, b, heavy.take(a))


def _touched(degrees: Ints) -> Iterator[tuple[Ints, Ints]]:
    for start in range(0, len(degrees), BLOCK_IDS):
        block = degrees[start : start + BLOCK_IDS]
        ids = np.flatnonzero(block)
        if len(ids):
            yield ids + start, block.take(ids)


def core_blocks(is_core: Bools) -> Iterator[tuple[Ints]]:
    """The ids of core points, ascending, as columns to write.

    Args:
        is_core: Shape (points,).
    """
    for start in range(0, len(is_core), BLOCK_IDS):
        ids = np.flatnonzero(is_core[start : start + BLOCK_IDS])
        if len(ids):
            yield (ids + start,)
