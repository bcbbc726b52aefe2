"""The nearest neighbours of many points, from neighbours that come in any order, in bounded memory.

Of each point are kept: the distances at which it has neighbours, ascending, each with the weight of all
neighbours at it, until its own weight and theirs reach `min_samples`. Distances beyond that can never matter
again, whatever comes later; neighbours at equal distances are one row. Hence what is kept of some neighbours
is a function of them, not of their order, and keep(A with B) = keep(keep(A) with keep(B)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Distances are not negative: nothing is as near as this, and a point with this reach needs no neighbour.
_NOTHING = -1.0


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Rows of neighbours, shape (rows,) each: so much weight is so far from a point."""

    point: NDArray[np.signedinteger]
    distance: NDArray[np.float64]
    weight: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.point)

    def take(self, rows: NDArray[np.intp]) -> Neighbours:
        """Some of them, copied."""
        return Neighbours(self.point.take(rows), self.distance.take(rows), self.weight.take(rows))


class NearestNeighbours:
    """Neighbours until they are enough."""

    def __init__(
        self,
        weights: NDArray[np.unsignedinteger],
        min_samples: int,
        asked: NDArray[np.bool_],
        fold_rows: int,
    ) -> None:
        """No neighbour has come yet.

        Args:
            weights: Shape (points,): entities of each point.
            min_samples: Entities that are enough, the point's own included.
            asked: Shape (points,): the points that count; neighbours of others are dropped.
            fold_rows: Rows that wait before they are sorted in; as many as are kept where that is more.
        """
        self._weights = weights
        self._enough = min_samples
        self._fold_rows = fold_rows
        alone = weights >= min_samples
        self._alone = np.flatnonzero(alone & asked)
        self._reach = np.where(asked & ~alone, np.inf, _NOTHING)
        empty = np.empty(0, index_type(len(weights)))
        self._kept = Neighbours(empty, np.empty(0), np.empty(0, np.int32))
        self._enough_at = np.empty(0, np.intp)
        self._waiting: list[Neighbours] = []
        self._rows = 0

    def add_pairs(self, a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        """Each end of a pair is a neighbour of the other; shapes (pairs,)."""
        self.add(a, distance, self._weights.take(b))
        self.add(b, distance, self._weights.take(a))

    def add(
        self, point: NDArray[np.int64], distance: NDArray[np.float64], weight: NDArray[np.integer]
    ) -> None:
        """Some neighbours; shapes (rows,)."""
        near = np.flatnonzero(distance <= self._reach.take(point))
        if not len(near):
            return
        bounded = np.minimum(weight.take(near), self._enough).astype(np.int32)
        self._waiting.append(
            Neighbours(point.take(near).astype(self._kept.point.dtype), distance.take(near), bounded)
        )
        self._rows += len(near)
        if self._rows >= max(self._fold_rows, len(self._kept)):
            self._fold()

    def rows(self) -> Neighbours:
        """What is kept, by point and distance."""
        self._fold()
        return self._kept

    def core_distances(self) -> tuple[NDArray[np.signedinteger], NDArray[np.float64]]:
        """The points that count and have enough, ascending, and the distance at which they have it."""
        self._fold()
        found = self._kept.take(self._enough_at)
        points = np.concatenate([self._alone.astype(found.point.dtype), found.point])
        order = np.argsort(points)
        distances = np.concatenate([np.zeros(len(self._alone)), found.distance])
        return points.take(order), distances.take(order)

    def _fold(self) -> None:
        if not self._rows:
            return
        check_deadline()
        rows = _by_distance(self._drain())
        own = self._weights.take(rows.point).astype(np.int64)
        reached = own + _running(rows)
        before = reached - rows.weight
        kept = np.flatnonzero(before < self._enough)
        enough = np.flatnonzero((before < self._enough) & (reached >= self._enough))
        self._reach[rows.point.take(enough)] = rows.distance.take(enough)
        self._enough_at = np.searchsorted(kept, enough)
        bounded = np.minimum(rows.weight, self._enough).astype(np.int32)
        self._kept = Neighbours(rows.point, rows.distance, bounded).take(kept)

    def _drain(self) -> Neighbours:
        parts = [self._kept, *self._waiting]
        rows = Neighbours(
            np.concatenate([part.point for part in parts]),
            np.concatenate([part.distance for part in parts]),
            np.concatenate([part.weight for part in parts]),
        )
        self._waiting, self._rows, self._kept = [], 0, rows.take(np.empty(0, np.intp))
        return rows


def _by_distance(rows: Neighbours) -> Neighbours:
    """By point and distance, equal ones as one row with the weight of all, int64."""
    rows = rows.take(_order(rows))
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows.point[1:] != rows.point[:-1]) | (rows.distance[1:] != rows.distance[:-1])
    first = np.flatnonzero(new)
    weight = np.add.reduceat(rows.weight, first, dtype=np.int64)
    return Neighbours(rows.point.take(first), rows.distance.take(first), weight)


def _order(rows: Neighbours) -> NDArray[np.intp]:
    """Rows by point and distance: two plain sorts take a third of the time of a lexicographic one.

    Points, and rows of them, are below the square root of 2^63: a point and a rank are one 64-bit key.
    """
    order = np.argsort(rows.distance)
    key = rows.point.take(order).astype(np.int64)
    key *= len(order)
    key += np.arange(len(order))
    key.sort()
    key %= len(order)
    return order.take(key)


def _running(rows: Neighbours) -> NDArray[np.int64]:
    """Weight of a point's rows up to and with each row."""
    total = np.cumsum(rows.weight, dtype=np.int64)
    new = np.ones(len(rows), np.bool_)
    new[1:] = rows.point[1:] != rows.point[:-1]
    first = np.flatnonzero(new)
    before = total.take(first) - rows.weight.take(first)
    running: NDArray[np.int64] = total - np.repeat(before, np.diff(np.append(first, len(rows))))
    return running
