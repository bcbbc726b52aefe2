"""A sample of the points and their range, which determine the first centres and the units of the sums.

The sample is the points with the smallest hashes, so it depends only on ids and seed, and the samples of the
shards give the sample of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError, TableReply
from lambda_worker.contract.kmeans import sample_size
from lambda_worker.tables.arrays import read_arrays, write_arrays
from lambda_worker.tables.points import Batch, no_points, read_points
from lambda_worker.tables.sample_order import sample_order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.contract.kmeans import SampleEvent, SeedEvent

_ARRAYS = ("ids", "weights", "vectors", "low", "high", "points")


class Sample:
    """The points with the smallest hashes, and the range of all.

    Attributes:
        clusters: Centres that are chosen from it.
        seed: Of the hash.
        batch: The points; None before the first.
        low: Shape (dimensions,): least coordinates of all points.
        high: Shape (dimensions,): largest coordinates of all points.
        points: How many were seen.
    """

    def __init__(self, clusters: int, seed: int) -> None:
        self.clusters = clusters
        self.seed = seed
        self.batch: Batch | None = None
        self.low: Floats = np.empty(0)
        self.high: Floats = np.empty(0)
        self.points = 0

    def add(self, batch: Batch, low: Floats, high: Floats, points: int) -> None:
        """Add points, or the sample of others, with the range and number of the points they represent."""
        if self.batch is None:
            self.low, self.high = low, high
        self.batch = smallest(self.batch, batch, sample_size(self.clusters, len(batch.vectors)), self.seed)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.points += points


def sample_shard(event: SampleEvent) -> TableReply:
    """Write the sample of a shard, and the range of its points."""
    sample = Sample(event.n_clusters, event.seed)
    for batch in read_points(event.points, event.columns, event.part):
        sample.add(batch, batch.vectors.min(axis=1), batch.vectors.max(axis=1), len(batch))
    kept = sample.batch or no_points(1)  # a part of a file with few batches has no points
    numbers = (sample.low, sample.high, np.array(sample.points))
    arrays = (kept.ids, kept.weights, kept.vectors, *numbers)
    written = write_arrays(event.output, dict(zip(_ARRAYS, arrays, strict=True)))
    return TableReply(ok=True, rows=len(kept), bytes=written)


def merge_samples(event: SeedEvent) -> tuple[Batch, Sample]:
    """Return the sample of the day, by id, and the range of all points with it.

    Raises:
        InputError: A file is not a sample, or the samples are of another number of points.
    """
    merged = Sample(event.n_clusters, event.seed)
    for address in event.samples:
        ids, weights, vectors, low, high, points = read_arrays(address, _ARRAYS)
        if not len(ids):
            continue
        if merged.batch is not None and len(vectors) != len(merged.batch.vectors):
            raise InputError(
                f"{address}: vectors of {len(vectors)} dimensions, others of {len(merged.batch.vectors)}"
            )
        merged.add(Batch(ids, weights, vectors), low, high, int(points))
    if merged.points != event.point_count or merged.batch is None:
        raise InputError(f"the event promises {event.point_count} points, the shards {merged.points}")
    return merged.batch.take(np.argsort(merged.batch.ids)), merged


def smallest(kept: Batch | None, batch: Batch, count: int, seed: int) -> Batch:
    """The points with the smallest hashes among those kept and a batch of others."""
    if kept is not None:
        if len(kept) >= count:  # most others are not even copied
            below = hash_ids(batch.ids, seed) < hash_ids(kept.ids, seed).max()
            batch = batch.take(np.flatnonzero(below))
        batch = Batch.join(kept, batch)
    if len(batch) <= count:
        return batch
    return batch.take(np.argpartition(hash_ids(batch.ids, seed), count - 1)[:count])


def hash_ids(ids: Ints, seed: int) -> NDArray[np.uint64]:
    """A hash of each id that no two ids share; shape (ids,)."""
    return sample_order(ids.astype(np.uint64) + sample_order(np.array([seed])))
