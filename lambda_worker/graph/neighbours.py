"""The nearest neighbours of many points, from neighbours in any order, in bounded memory.

For each point, the module keeps the distances of its neighbours, ascending, each with the total weight of the
neighbours at that distance, until its own weight and theirs reach `min_samples`. Larger distances can never
matter again, and neighbours at equal distances share one row. Hence the kept rows depend on the neighbours
but not on their order, and keep(A with B) = keep(keep(A) with keep(B)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.arrays import Columns
from lambda_worker.graph.union_find import index_type
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Bools, Floats, Indices, Ints, SignedInts, UnsignedInts

# Below every distance: a point with this reach needs no neighbour.
_NOTHING = -1.0


@dataclass(frozen=True, slots=True)
class Neighbours(Columns):
    """Rows of neighbours, shape (rows,) each: a point, a distance, and the weight at that distance."""

    point: SignedInts
    distance: Floats
    weight: AnyInts


class NearestNeighbours:
    """Collects the nearest neighbours of each point until there are enough."""

    def __init__(self, weights: UnsignedInts, min_samples: int, asked: Bools, fold_rows: int) -> None:
        """Start without neighbours.

        Args:
            weights: Shape (points,): entities of each point.
            min_samples: Entities that are enough, the point's own included.
            asked: Shape (points,): the points that count; neighbours of others are dropped.
            fold_rows: Rows to buffer before a sort; at least as many as are kept.
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

    def add_pairs(self, a: Ints, b: Ints, distance: Floats) -> None:
        """Add pairs: each end is a neighbour of the other; shapes (pairs,)."""
        self.add(a, distance, self._weights.take(b))
        self.add(b, distance, self._weights.take(a))

    def add(self, point: Ints, distance: Floats, weight: AnyInts) -> None:
        """Add neighbours; shapes (rows,)."""
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
        """Return the kept rows by point and distance."""
        self._fold()
        return self._kept

    def core_distances(self) -> tuple[SignedInts, Floats]:
        """Return the asked points with enough neighbours, ascending, and their core distances."""
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
        rows = Neighbours.join(self._kept, *self._waiting)
        self._waiting, self._rows, self._kept = [], 0, rows.take(np.empty(0, np.intp))
        return rows


def _by_distance(rows: Neighbours) -> Neighbours:
    """Sort by point and distance, and merge equal rows by adding their weights, int64."""
    rows = rows.take(_order(rows))
    new = np.ones(len(rows), np.bool_)
    new[1:] = (rows.point[1:] != rows.point[:-1]) | (rows.distance[1:] != rows.distance[:-1])
    first = np.flatnonzero(new)
    weight = np.add.reduceat(rows.weight, first, dtype=np.int64)
    return Neighbours(rows.point.take(first), rows.distance.take(first), weight)


def _order(rows: Neighbours) -> Indices:
    """Order rows by point and distance; two plain sorts take a third of the time of a lexicographic one.

    Ids and row numbers are below the square root of 2^63, so a point and a rank fit into one 64-bit key.
    """
    order = np.argsort(rows.distance)
    key = rows.point.take(order).astype(np.int64)
    key *= len(order)
    key += np.arange(len(order))
    key.sort()
    key %= len(order)
    return order.take(key)


def _running(rows: Neighbours) -> Ints:
    """Return the cumulative weight of a point's rows, including the current one."""
    total = np.cumsum(rows.weight, dtype=np.int64)
    new = np.ones(len(rows), np.bool_)
    new[1:] = rows.point[1:] != rows.point[:-1]
    first = np.flatnonzero(new)
    before = total.take(first) - rows.weight.take(first)
    running: Ints = total - np.repeat(before, np.diff(np.append(first, len(rows))))
    return running
