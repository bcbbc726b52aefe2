"""A round of k-means over a shard: exact sums of its points by nearest centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.centroids.exact import ExactSums, Groups
from lambda_worker.centroids.files import read_vectors, write_streamed, write_vectors
from lambda_worker.centroids.nearest import Nearest, squared_distances
from lambda_worker.centroids.points import Batch, read_points
from lambda_worker.centroids.sums import CentreSums
from lambda_worker.contract import InputError
from lambda_worker.contract.centroids import AssignReply, RoundReply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.contract.centroids import AssignEvent, RoundEvent


def reduce_round(event: RoundEvent, batch_rows: int | None = None) -> RoundReply:
    """Write the sums of a shard, and its farthest points.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    centres = read_centres(event.centres)
    dimensions, count = centres.shape
    sums = CentreSums(ExactSums(count, dimensions + 1))
    farthest = Farthest.none(dimensions)
    for labelled in _label(event, centres, batch_rows):
        batch, groups = labelled.batch, Groups(labelled.labels, labelled.batch.weights)
        sums.count(groups)
        sums.exact.add(batch.vectors, groups)
        sums.exact.add(labelled.distances[np.newaxis], groups, first=dimensions)
        farthest = farthest.with_more(labelled, int(np.count_nonzero(sums.points == 0)))
    rows, written = sums.write(event.output)
    farthest.write(event.farthest)
    return RoundReply(ok=True, points=sums.points_total, rows=rows, bytes=written)


def assign_points(event: AssignEvent, batch_rows: int | None = None) -> AssignReply:
    """Write the nearest centre of each point of a shard.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    inertia, centres = ExactSums(1, 1), read_centres(event.centres)

    def blocks() -> Iterator[tuple[NDArray[np.int64], ...]]:
        for labelled in _label(event, centres, batch_rows):
            everything = Groups(np.zeros(len(labelled.batch), np.intp), labelled.batch.weights)
            inertia.add(labelled.distances[np.newaxis], everything)
            yield labelled.batch.ids, labelled.labels.astype(np.int64)

    rows, written = write_streamed(event.output, ("point_id", "cluster"), blocks())
    exact = tuple((level, int(sums[0, 0])) for level, sums in sorted(inertia.levels.items()))
    return AssignReply(ok=True, rows=rows, bytes=written, inertia=exact)


def read_centres(address: str) -> NDArray[np.float64]:
    """Shape (dimensions, centres), by number.

    Raises:
        InputError: The file is missing, or holds no centres.
    """
    (numbers,), vectors = read_vectors(address, ("centre",))
    if not len(numbers) or not np.array_equal(numbers, np.arange(len(numbers))):
        raise InputError(f"{address} holds no centres 0, 1, ... in their order")
    return vectors


@dataclass(frozen=True, slots=True)
class Labelled:
    """Points with their nearest centre; labels and squared distances have the shape (points,)."""

    batch: Batch
    labels: NDArray[np.intp]
    distances: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Farthest:
    """Points far from their centre, the farthest first, of equally far ones the lowest id first."""

    points: Labelled

    @classmethod
    def none(cls, dimensions: int) -> Farthest:
        """No points yet."""
        nothing = Batch(*(np.empty(0, np.int64),) * 2, np.empty((dimensions, 0)))
        return cls(Labelled(nothing, np.empty(0, np.intp), np.empty(0)))

    def with_more(self, labelled: Labelled, count: int) -> Farthest:
        """The farthest of these and others.

        Args:
            labelled: The others.
            count: At most so many are kept.
        """
        if not count:
            return Farthest.none(len(self.points.batch.vectors))
        # Those that cannot be among them are not even copied.
        far = np.arange(len(labelled.distances))
        if len(far) > count:
            least = np.partition(labelled.distances, len(far) - count)[len(far) - count]
            far = np.flatnonzero(labelled.distances >= least)
        both = Labelled(
            _joined(self.points.batch, labelled.batch.take(far)),
            np.concatenate([self.points.labels, labelled.labels.take(far)]),
            np.concatenate([self.points.distances, labelled.distances.take(far)]),
        )
        kept = np.lexsort((both.batch.ids, -both.distances))[:count]
        return Farthest(Labelled(both.batch.take(kept), both.labels.take(kept), both.distances.take(kept)))

    def write(self, address: str) -> int:
        """Write them; returns the size of the file in bytes."""
        batch = self.points.batch
        numbers = {"point_id": batch.ids, "weight": batch.weights, "centre": self.points.labels}
        return write_vectors(address, numbers, batch.vectors)


def read_farthest(addresses: tuple[str, ...], centres: NDArray[np.float64], count: int) -> Labelled:
    """The farthest points of all shards.

    Args:
        addresses: Files of `Farthest.write`.
        centres: Shape (dimensions, centres).
        count: At most so many are read.

    Raises:
        InputError: A file is missing or no such file, or tells of other centres.
    """
    farthest = Farthest.none(len(centres))
    for address in addresses:
        (ids, weights, labels), vectors = read_vectors(address, ("point_id", "weight", "centre"))
        if len(vectors) != len(centres) or (labels >= centres.shape[1]).any() or (labels < 0).any():
            raise InputError(f"{address} tells of other centres")
        distances = squared_distances(vectors, centres, labels)
        labelled = Labelled(Batch(ids, weights, vectors), labels.astype(np.intp), distances)
        farthest = farthest.with_more(labelled, count)
    return farthest.points


def _label(
    event: RoundEvent | AssignEvent, centres: NDArray[np.float64], batch_rows: int | None
) -> Iterator[Labelled]:
    nearest = Nearest(centres)
    with threadpool_limits(limits=1, user_api="blas"):
        for batch in read_points(event.points, event.columns, event.part, batch_rows):
            if len(batch.vectors) != len(centres):
                raise InputError(
                    f"points of {len(batch.vectors)} dimensions, centres of {len(centres)} in {event.centres}"
                )
            labels = nearest.labels(batch.vectors)
            yield Labelled(batch, labels, squared_distances(batch.vectors, centres, labels))


def _joined(one: Batch, other: Batch) -> Batch:
    return Batch(
        np.concatenate([one.ids, other.ids]),
        np.concatenate([one.weights, other.weights]),
        np.concatenate([one.vectors, other.vectors], axis=1),
    )
