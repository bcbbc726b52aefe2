"""Mean shift with a flat kernel (Comaniciu and Meer, PAMI 2002): the climbs of scikit-learn without seeds.

A climb starts at a point and moves to the mean of all entities within the bandwidth h, until a step is at
most h / 1000. It never leaves the component of its point in the graph of pairs within 2 h:

- Two points of a window are within h of its middle, so within 2 h of each other: a window lies in one
  component. The first window holds the point itself.
- The mean m of a window with middle c minimises the sum of squared distances. So the sum of squared distances
  to m is at most that to c, which is at most h^2 per point: some point of the window is within h of m. It is
  in the next window, which therefore lies in the same component.

So components climb independently. If rounding, at exactly 2 h, would let a window reach another component,
the points of that component are left out, so that a peak does not depend on the other components of its bin.

All climbs advance together, step by step. Climbs that meet continue as one, because the rest of a climb
depends only on its position.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.arrays import Columns
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.tables.features import Features
    from lambda_worker.tables.members import Members

MOST_STEPS = 300
STOP = 1e-3
"""A climb ends with a step of at most this part of the bandwidth."""

_WINDOW_ENTRIES = 1 << 19
"""Approximate number of points in the windows of a batch."""

_MOST_CLIMBS = 1 << 14


@dataclass(frozen=True, slots=True)
class Peaks(Columns):
    """The ends of climbs; places are distinct.

    Attributes:
        seed: Shape (peaks,), the highest id among the points that climb there.
        intensity: Shape (peaks,), entities in the last window of that climb.
        centre: Shape (peaks, dimensions), their mean.
    """

    seed: Ints
    intensity: Ints
    centre: Floats

    def distinct(self) -> Peaks:
        """One peak for each place, that of the highest seed: scikit-learn keeps the last one it finds."""
        order = np.argsort(self.seed)[::-1]
        _, first = np.unique(as_keys(self.centre.take(order, axis=0)), return_index=True)
        return self.take(np.sort(order.take(first)))


def join_peaks(parts: list[Peaks], dimensions: int) -> Peaks:
    """The peaks of all parts, one for each place."""
    nothing = Peaks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimensions)))
    return Peaks.join(nothing, *parts).distinct()


def as_keys(rows: NDArray[Any]) -> NDArray[np.void]:
    """Return a value for each row of a matrix, equal for equal bytes; shape (rows,)."""
    rows = np.ascontiguousarray(rows)
    keys: NDArray[np.void] = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return keys


def load_tree() -> Any:
    """Return the class `KDTree`; scikit-learn takes a second to load, so it is loaded on demand."""
    return importlib.import_module("sklearn.neighbors").KDTree


@dataclass(frozen=True, slots=True)
class _Climbs(Columns):
    """Climbs under way: shape (climbs,) and (climbs, dimensions)."""

    seed: Ints
    component: Ints
    place: Floats
    window: Ints  # points in the window before, for the size of the next

    def merged(self) -> _Climbs:
        """Merge the climbs at the same place of the same component."""
        key = np.column_stack([self.place.view(np.int64), self.component])
        _, first, climb = np.unique(as_keys(key), return_index=True, return_inverse=True)
        if len(first) == len(key):
            return self
        seed = np.full(len(first), -1)
        np.maximum.at(seed, climb.ravel(), self.seed)
        part = self.take(first)
        return _Climbs(seed, part.component, part.place, part.window)

    def batches(self) -> Iterator[_Climbs]:
        """Yield parts whose windows together hold a bounded number of points."""
        ends = np.cumsum(self.window)
        start = 0
        while start < len(ends):
            filled = ends[start] - self.window[start] + _WINDOW_ENTRIES
            stop = min(max(start + 1, int(np.searchsorted(ends, filled))), start + _MOST_CLIMBS)
            yield self.take(slice(start, stop))
            start = stop


def climb(land: Members[Features], bandwidth: float) -> tuple[Peaks, int]:
    """Climb from every point.

    Args:
        land: Whole components.
        bandwidth: Radius of a window.

    Returns:
        The peaks, and the most steps a climb took.
    """
    dimensions = land.features.vectors.shape[1]
    if not len(land.ids):
        return join_peaks([], dimensions), 0
    windows = _Windows(land, bandwidth)
    climbs = _Climbs(
        land.ids, land.components, land.features.vectors + 0.0, np.full(len(land.ids), windows.first_size())
    )
    found: list[Peaks] = []
    steps = 0
    while True:
        going = [windows.step(batch, found, last=steps == MOST_STEPS) for batch in climbs.batches()]
        going = [part for part in going if len(part)]
        if not going:
            return join_peaks(found, dimensions), steps
        steps += 1
        climbs = _Climbs.join(*going).merged()


class _Windows:
    """The points within the bandwidth of any place."""

    def __init__(self, land: Members[Features], bandwidth: float) -> None:
        self._land = land
        self._bandwidth = bandwidth
        self._tree = load_tree()(land.features.vectors, leaf_size=30)
        self._moments = land.features.vectors * land.weights[:, None]

    def first_size(self) -> int:
        """Estimate the points in a window from a sample."""
        rows = np.linspace(0, len(self._land.ids) - 1, 64).astype(np.int64)
        counts = self._tree.query_radius(
            self._land.features.vectors.take(rows, axis=0), self._bandwidth, count_only=True
        )
        return max(1, int(np.mean(counts)))

    def step(self, climbs: _Climbs, found: list[Peaks], *, last: bool) -> _Climbs:
        """Take one step; return the climbs that continue and add the peaks of the others to `found`."""
        check_deadline()
        row, point = self._entries(climbs)
        size = np.bincount(row, minlength=len(climbs.seed))
        # Rounding may empty the window between two points at twice the bandwidth: such a climb has no peak.
        alive = np.flatnonzero(size)
        climbs, size = climbs.take(alive), size.take(alive)
        if not len(alive):
            return climbs
        begins = np.cumsum(size) - size
        intensity = np.add.reduceat(self._land.weights.take(point), begins)
        sums = np.add.reduceat(self._moments.take(point, axis=0), begins, axis=0)
        place = sums / intensity[:, None] + 0.0  # one zero, not two
        move = place - climbs.place
        ends = np.sqrt(np.einsum("ij,ij->i", move, move)) <= STOP * self._bandwidth
        if last:
            ends[:] = True
        at = np.flatnonzero(ends)
        found.append(Peaks(climbs.seed.take(at), intensity.take(at), place.take(at, axis=0)).distinct())
        return _Climbs(climbs.seed, climbs.component, place, size).take(np.flatnonzero(~ends))

    def _entries(self, climbs: _Climbs) -> tuple[Indices, Indices]:
        """Return climb and point of each entry of the windows, by climb and then by point."""
        near = self._tree.query_radius(climbs.place, self._bandwidth)
        row = np.repeat(np.arange(len(near)), [len(window) for window in near])
        point = np.concatenate(near).astype(np.intp, copy=False)
        own = np.flatnonzero(self._land.components.take(point) == climbs.component.take(row))
        row, point = row.take(own), point.take(own)
        order = np.lexsort((point, row))
        return row.take(order), point.take(order)
