"""A sample of the points, and their spread: what the first centres and the rule of stopping follow from.

The sample is the points with the smallest hashes, so it depends on ids and seed alone, and samples of shards
make the sample of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.centroids.exact import ExactSums, Groups
from lambda_worker.centroids.files import write_vectors
from lambda_worker.centroids.points import Batch, read_points
from lambda_worker.centroids.sums import CentreSums
from lambda_worker.contract.centroids import SampleReply

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.centroids import SampleEvent

_MOST_POINTS, _MOST_NUMBERS = 1 << 14, 1 << 21
_HALF = 134217729.0  # 2^27 + 1 cuts a double in two halves


def sample_shard(event: SampleEvent, batch_rows: int | None = None) -> SampleReply:
    """Write the sample of a shard, and the sums of its coordinates and of their squares.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    kept: Batch | None = None
    spread: Spread | None = None
    for batch in read_points(event.points, event.columns, event.part, batch_rows):
        spread = spread or Spread(len(batch.vectors))
        spread.add(batch)
        kept = smallest(kept, batch, sample_size(event.n_clusters, len(batch.vectors)), event.seed)
    if kept is None or spread is None:  # a part of a file with few batches
        kept, spread = Batch(*(np.empty(0, np.int64),) * 2, np.empty((1, 0))), Spread(1)
    kept = kept.take(np.argsort(kept.ids))
    spread.sums.write(event.sums)
    numbers = {"point_id": kept.ids, "weight": kept.weights}
    written = write_vectors(event.output, numbers, kept.vectors)
    return SampleReply(ok=True, points=spread.sums.points_total, rows=len(kept), bytes=written)


def sample_size(clusters: int, dimensions: int) -> int:
    """Points of the sample of a day: some 16 MB of numbers, and at least four for each centre."""
    return max(4 * clusters, min(_MOST_POINTS, _MOST_NUMBERS // dimensions))


def smallest(kept: Batch | None, batch: Batch, count: int, seed: int) -> Batch:
    """The points with the smallest hashes among those kept and a batch of others."""
    hashes = hash_ids(batch.ids, seed)
    if kept is not None and len(kept) >= count:
        below = np.flatnonzero(hashes < hash_ids(kept.ids, seed).max())
        if not len(below):
            return kept
        batch, hashes = batch.take(below), hashes.take(below)
    if kept is not None:
        batch = Batch(
            np.concatenate([kept.ids, batch.ids]),
            np.concatenate([kept.weights, batch.weights]),
            np.concatenate([kept.vectors, batch.vectors], axis=1),
        )
        hashes = np.concatenate([hash_ids(kept.ids, seed), hashes])
    if len(batch) <= count:
        return batch.take(np.arange(len(batch)))
    return batch.take(np.argpartition(hashes, count - 1)[:count])


def hash_ids(ids: NDArray[np.int64], seed: int) -> NDArray[np.uint64]:
    """A hash of each id that no two ids share (SplitMix64: Steele, Lea, Flood, OOPSLA 2014); shape (ids,)."""
    return _mixed(ids.astype(np.uint64) + _mixed(np.array([seed], np.uint64)))


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


class Spread:
    """Sums of the coordinates of points and of their squares, without rounding.

    Attributes:
        sums: One centre; dimension j holds the coordinate, dimension d + j its square.
    """

    def __init__(self, dimensions: int) -> None:
        self.sums = CentreSums(ExactSums(1, 2 * dimensions))

    def add(self, batch: Batch) -> None:
        """Add points."""
        groups = Groups(np.zeros(len(batch), np.intp), batch.weights)
        self.sums.count(groups)
        self.sums.exact.add(batch.vectors, groups)
        for dimension, values in enumerate(batch.vectors):
            for part in _squares(values):
                self.sums.exact.add(part[np.newaxis], groups, first=len(batch.vectors) + dimension)


def _squares(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squares as sums of two doubles, exact but for underflow (Dekker, 1971); shapes of `values`."""
    large = values * _HALF
    high = large - (large - values)
    low = values - high
    square = values * values
    return square, ((high * high - square) + 2.0 * high * low) + low * low
