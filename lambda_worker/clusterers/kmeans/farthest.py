"""Points far from their centre, to which centres without points move."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.tables.arrays import read_arrays
from lambda_worker.tables.points import Batch, no_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Indices


@dataclass(frozen=True, slots=True)
class Farthest(Batch):
    """Points, the farthest first, of equally far ones the lowest id first.

    Attributes:
        labels: Shape (points,): their centres.
        distances: Shape (points,): squared.
    """

    labels: Indices
    distances: Floats

    @classmethod
    def of(cls, batch: Batch, labels: Indices, distances: Floats) -> Farthest:
        """Points with their centres, in any order."""
        return cls(batch.ids, batch.weights, batch.vectors, labels, distances)

    @classmethod
    def none(cls, dimensions: int) -> Farthest:
        """No points."""
        return cls.of(no_points(dimensions), np.empty(0, np.intp), np.empty(0))

    def first(self, count: int) -> Farthest:
        """At most so many of these, the farthest."""
        return self.take(slice(count))

    def with_more(self, others: Farthest, count: int) -> Farthest:
        """The farthest of these and others, which may be in any order; at most `count`."""
        if not count:
            return self.take(slice(0, 0))
        if len(others) > count:  # copy only those that can be among them
            least = np.partition(others.distances, len(others) - count)[len(others) - count]
            others = others.take(np.flatnonzero(others.distances >= least))
        both = Farthest.join(self, others)
        return both.take(np.lexsort((both.ids, -both.distances))[:count])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays for a file."""
        return dict(zip(_names(), self.columns(), strict=True))


def read_farthest(addresses: tuple[str, ...], count: int) -> Farthest:
    """The farthest points of all shards, at most `count`.

    Raises:
        InputError: A file is missing, or holds no such points.
    """
    found: Farthest | None = None
    for address in addresses:
        points = Farthest(*read_arrays(address, _names()))
        found = points.take(slice(0, 0)) if found is None else found
        found = found.with_more(points, count)
    return Farthest.none(1) if found is None else found


def _names() -> tuple[str, ...]:
    return tuple(f"farthest_{field.name}" for field in fields(Farthest))
