"""Core points from shards: each adds up the entities near its points, one invocation compares the sums."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import CoresReply, DegreesReply, InputError
from lambda_worker.forests.files import write_columns
from lambda_worker.graph import CandidatePairs, read_weights
from lambda_worker.kernel import loaded
from lambda_worker.parquet_io import BATCH_ROWS, read_bigints
from lambda_worker.union_find import BLOCK_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.contract import CoresEvent, DegreesEvent


def add_degrees(event: DegreesEvent, batch_rows: int = BATCH_ROWS) -> DegreesReply:
    """Write the entities near each point of a shard.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    pairs = CandidatePairs(event.candidates, event.point_count, batch_rows, event.part)
    weights = read_weights(event.points, event.point_count, batch_rows) if event.points else None
    degrees = np.zeros(event.point_count, np.int64)
    add_neighbours(degrees, weights, pairs)
    rows, written = write_columns(event.output, ("point_id", "degree"), _touched(degrees))
    return DegreesReply(ok=True, rows=rows, bytes=written, pairs=pairs.count or 0)


def find_cores(event: CoresEvent, batch_rows: int = BATCH_ROWS) -> CoresReply:
    """Write the points with `min_samples` entities within the threshold, their own included.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    degrees = read_weights(event.points, event.point_count, batch_rows).astype(np.int64)
    for address in event.degrees:
        for ids, found in read_bigints(address, ("point_id", "degree"), batch_rows):
            if ids.min() < 0 or ids.max() >= event.point_count or found.min() < 0:
                raise InputError(f"{address} holds no degrees of the {event.point_count} points")
            np.add.at(degrees, ids, found)
    is_core = degrees >= event.min_samples
    rows, written = write_columns(event.output, ("point_id",), core_blocks(is_core))
    return CoresReply(ok=True, rows=rows, bytes=written)


def add_neighbours(
    degrees: NDArray[np.int64], weights: NDArray[np.unsignedinteger] | None, pairs: CandidatePairs
) -> None:
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


def _touched(degrees: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, len(degrees), BLOCK_IDS):
        block = degrees[start : start + BLOCK_IDS]
        ids = np.flatnonzero(block)
        if len(ids):
            yield ids + start, block.take(ids)


def core_blocks(is_core: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64]]]:
    """The ids of core points, ascending, as columns to write.

    Args:
        is_core: Shape (points,).
    """
    for start in range(0, len(is_core), BLOCK_IDS):
        ids = np.flatnonzero(is_core[start : start + BLOCK_IDS])
        if len(ids):
            yield (ids + start,)
