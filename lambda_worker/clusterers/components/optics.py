"""OPTICS (Ankerst, Breunig, Kriegel, Sander, SIGMOD 1999) from near pairs, equal to scikit-learn's.

scikit-learn takes the point of the smallest reachability next, the first of equals, and lowers the
reachability of its neighbours where that is strictly smaller. When nothing is reachable any more it goes on
with the first point that is left: a run begins. Runs never leave a component of the threshold graph, and each
begins at the lowest point that its component has left. So the ordering of a day is the runs of its
components, by the point they begin at; and a bin of components is ordered like a day.

A point of weight w represents w rows. They differ only in their number, so they share one reachability until
the first is taken. The first one lowers the others to its core distance. After that, the others lower no
reachability, because the first one has already offered the same distances. So when the second row is taken,
the rest follow at once, since only the lowest of equal rows has gone. Hence two events per point are enough.

scikit-learn rounds to 15 decimals what it compares; rounding keeps the order, so rounding first is the same.
A heap finds the next point, whereas scikit-learn scans all points: O(pairs log points), not O(points^2).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints, Ints32

NONE = -1
"""No predecessor."""

_DECIMALS = np.finfo(np.float64).precision
_EVENTS_A_CHECK = 1 << 12
_SPARE_ENTRIES = 1 << 12
_TAKEN = -np.inf


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The near pairs from both sides, by point and then by distance.

    Attributes:
        offsets: Shape (points + 1,): point k has the entries offsets[k]:offsets[k + 1].
        points: Shape (2 pairs,), the neighbour.
        distance: Shape (2 pairs,).
    """

    offsets: Ints
    points: Ints32
    distance: Floats

    @classmethod
    def of_pairs(cls, a: Ints32, b: Ints32, distance: Floats, points: int) -> Neighbours:
        """From pairs in any order, each once.

        Args:
            a: Shape (pairs,), positions of points.
            b: Shape (pairs,), other positions.
            distance: Shape (pairs,).
            points: How many there are.
        """
        offsets = np.zeros(points + 1, np.int64)
        np.cumsum(np.bincount(a, minlength=points) + np.bincount(b, minlength=points), out=offsets[1:])
        # Neighbours at one distance may come in any order: nothing below depends on it.
        by_distance = np.argsort(distance, kind="stable")
        a, b, distance = a.take(by_distance), b.take(by_distance), distance.take(by_distance)
        del by_distance
        order = np.argsort(np.stack([a, b], axis=1).ravel(), kind="stable")
        neighbour = np.stack([b, a], axis=1).ravel().take(order)
        del a, b
        order >>= 1
        return cls(offsets, neighbour, distance.take(order))

    def core_distances(self, weights: Ints, min_samples: int) -> Floats:
        """The distance at which a point has `min_samples` entities around it, its own included.

        Args:
            weights: Shape (points,), entities of each point.
            min_samples: At least 1.

        Returns:
            Shape (points,), rounded as scikit-learn does; infinite where the near pairs hold too few.
        """
        entities = np.cumsum(weights.take(self.points))
        before = np.concatenate([[0], entities]).take(self.offsets[:-1])
        at = np.searchsorted(entities, before + min_samples - weights)
        core = np.full(len(weights), np.inf)
        enough = np.flatnonzero(at < self.offsets[1:])
        core[enough] = self.distance.take(at.take(enough))
        core[weights >= min_samples] = 0.0
        return np.around(core, _DECIMALS)


@dataclass(frozen=True, slots=True)
class Plot:
    """Events in the order of OPTICS; positions are those of the points given.

    Attributes:
        start: Shape (events,), the point at which the run began.
        point: Shape (events,), the point that was taken.
        copies: Shape (events,), rows it was taken with.
        reachability: Shape (events,), infinite at a start.
        predecessor: Shape (events,), the point whose first row it was reached from, or -1.
        core_distance: Shape (points,).
    """

    start: Ints32
    point: Ints32
    copies: Ints
    reachability: Floats
    predecessor: Ints32
    core_distance: Floats


def draw_plot(neighbours: Neighbours, weights: Ints, min_samples: int) -> Plot:
    """Order points by reachability.

    Args:
        neighbours: All pairs within `max_eps`.
        weights: Shape (points,), entities of each point.
        min_samples: Entities within the core distance, the point's own included.
    """
    core = neighbours.core_distances(weights, min_samples)
    walk = _Walk(neighbours, weights, core)
    walk.run()
    return Plot(walk.start, walk.point, walk.copies, walk.reached, walk.by, core)


class _Walk:
    """Takes one event after the other."""

    def __init__(self, neighbours: Neighbours, weights: Ints, core: Floats) -> None:
        points = len(weights)
        self._offsets = neighbours.offsets.tolist()
        self._neighbours = neighbours.points
        self._distance = np.around(neighbours.distance, _DECIMALS)
        self._core = np.around(core, _DECIMALS).tolist()
        self._weights = weights.tolist()
        # Of the rows that are left of each point; below all distances when none is.
        self._reachability = np.full(points, np.inf)
        self._predecessor = np.full(points, NONE, np.int32)
        self._untouched = np.ones(points, np.bool_)
        self._heap: list[tuple[float, int]] = []
        self._most_entries = 2 * points + _SPARE_ENTRIES
        events = points + int(np.count_nonzero(weights > 1))
        self.start = np.empty(events, np.int32)
        self.point = np.empty(events, np.int32)
        self.copies = np.empty(events, np.int64)
        self.reached = np.empty(events)
        self.by = np.empty(events, np.int32)

    def run(self) -> None:
        start = 0
        for event in range(len(self.point)):
            if event % _EVENTS_A_CHECK == 0:
                check_deadline()
            point = self._reachable()
            if point is None:
                start = point = self._lowest_left(start)
            self.start[event] = start
            self._take(event, point)

    def _reachable(self) -> int | None:
        """The point of the smallest finite reachability."""
        heap, reachability = self._heap, self._reachability
        while heap:
            reached, point = heapq.heappop(heap)
            if reachability[point] == reached:  # else it was lowered, or taken, since
                return point
        return None

    def _lowest_left(self, start: int) -> int:
        """The first point from `start` on that has rows left."""
        while self._reachability[start] == _TAKEN:
            start += 1
        return start

    def _take(self, event: int, point: int) -> None:
        reached = float(self._reachability[point])
        self.point[event] = point
        self.reached[event] = reached
        self.by[event] = self._predecessor[point]
        weight = self._weights[point]
        first = bool(self._untouched[point])
        self.copies[event] = 1 if first else weight - 1
        self._reachability[point] = _TAKEN
        if not first:
            return
        self._untouched[point] = False
        core = self._core[point]
        if weight > 1:
            self._leave(point, reached, core)
        if core < np.inf:
            self._lower(point, core)

    def _leave(self, point: int, reached: float, core: float) -> None:
        """Rows of a point are left behind its first."""
        if core < reached:
            reached = core
            self._predecessor[point] = point
        self._reachability[point] = reached
        if reached < np.inf:
            heapq.heappush(self._heap, (reached, point))

    def _lower(self, point: int, core: float) -> None:
        """Lower the reachability of the neighbours of a core point."""
        entries = slice(self._offsets[point], self._offsets[point + 1])
        near = self._neighbours[entries]
        distance = np.maximum(self._distance[entries], core)
        lower = np.flatnonzero(distance < self._reachability.take(near))
        if not len(lower):
            return
        near, distance = near.take(lower), distance.take(lower)
        self._reachability[near] = distance
        self._predecessor[near] = point
        heap = self._heap
        for entry in zip(distance.tolist(), near.tolist(), strict=True):
            heapq.heappush(heap, entry)
        if len(heap) > self._most_entries:
            self._drop_stale()

    def _drop_stale(self) -> None:
        """Keep one entry for each point that waits: pairs must not pile up."""
        waiting = np.flatnonzero((self._reachability >= 0) & (self._reachability < np.inf))
        self._heap = list(zip(self._reachability.take(waiting).tolist(), waiting.tolist(), strict=True))
        heapq.heapify(self._heap)
