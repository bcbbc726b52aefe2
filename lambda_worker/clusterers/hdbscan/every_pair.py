"""Core distances and the minimum spanning tree from all pairs of points, without the kernel.

The tree is found by Prim's algorithm. Its time grows with the square of the points (seconds for ten
thousand), its memory does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.metrics.half_turns import reduce_places
from lambda_worker.metrics.listed import METRICS
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints, Ints32

_DISTANCES = 1 << 20  # at a time


class EveryPair:
    """All pairs of points; stands in for `KdTree`.

    Attributes:
        ids: Shape (points,): the point of each row.
    """

    def __init__(self, metric: str, values: Floats, angles: Floats, weights: Ints) -> None:
        """Keep the points; arguments as those of `KdTree`."""
        self.ids: Ints32 = np.arange(len(weights), dtype=np.int32)
        self._metric = metric
        self._values = values
        self._angles = angles
        self._weights = weights

    def core_distances(self, min_samples: int) -> Floats:
        """As `KdTree.core_distances`."""
        points = len(self._weights)
        nearest = min(min_samples, points)
        core = np.empty(points)
        rows_at_once = max(1, _DISTANCES // points)
        for start in range(0, points, rows_at_once):
            check_deadline()
            rows = np.arange(start, min(start + rows_at_once, points))
            distance = self._distances(rows)
            distance[np.arange(len(rows)), rows] = -1.0  # the point itself comes first
            near = np.argpartition(distance, nearest - 1, axis=1)[:, :nearest]
            order = np.argsort(np.take_along_axis(distance, near, 1), axis=1)
            near = np.take_along_axis(near, order, 1)
            enough = np.cumsum(self._weights.take(near), axis=1) >= min_samples
            last = near[np.arange(len(rows)), enough.argmax(axis=1)]
            core[rows] = np.maximum(distance[np.arange(len(rows)), last], 0.0)
        return core

    def spanning_tree(self, core: Floats) -> tuple[Ints32, Ints32, Floats]:
        """As `KdTree.spanning_tree`."""
        points = len(core)
        rows = np.arange(points)
        reach = np.full(points, np.inf)  # to the tree so far, and the edge as one number
        edge = np.full(points, np.iinfo(np.int64).max)
        outside = np.ones(points, np.bool_)
        found, lengths = np.empty(points - 1, np.int64), np.empty(points - 1)
        current = 0
        for number in range(points - 1):
            check_deadline()
            outside[current] = False
            new = np.maximum(np.maximum(self._distances(rows[current : current + 1])[0], core), core[current])
            own = np.minimum(rows, current) * points + np.maximum(rows, current)
            better = outside & ((new < reach) | ((new == reach) & (own < edge)))
            reach[better], edge[better] = new[better], own[better]
            left = np.flatnonzero(outside)
            nearest = left.compress(reach.take(left) == reach.take(left).min())
            current = nearest[edge.take(nearest).argmin()]
            lengths[number] = reach[current]
            found[number] = edge[current] if reach[current] < np.inf else 0  # no edge
        first, second = np.divmod(found, points)
        return first.astype(np.int32), second.astype(np.int32), lengths

    def _distances(self, rows: Ints) -> Floats:
        """Return the distances of rows to all, shape (rows, points); of places reduced."""
        if self._metric == "haversine":
            return reduce_places(self._angles[:, rows, np.newaxis], self._angles[:, np.newaxis, :])
        metric = METRICS[self._metric]
        out = np.empty((len(rows), len(self._weights)))
        axes = ((axis[rows, np.newaxis], axis[np.newaxis, :]) for axis in self._values)
        with np.errstate(over="ignore"):
            return metric.restore(metric.reduce(axes, out))
