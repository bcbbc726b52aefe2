"""Mean shift with a flat kernel (Comaniciu and Meer, PAMI 2002): the climbs, as scikit-learn's without seeds.

A climb begins at a point, goes to the mean of all entities within the bandwidth h, and so on, until a step is
at most h / 1000. It never leaves the component of its point in the graph of pairs within 2 h:

- Two points of a window, being within h of its middle, are within 2 h of one another: a window lies in one
  component. The first window holds the point itself.
- The mean m of a window with middle c minimises the sum of squared distances, so that of its points to m is
  at most that to c, and that at most h^2 a point: some point of the window is within h of m, hence in the
  next window, which so lies in the same component.

So components climb by themselves. Where rounding, at exactly 2 h, would let a window reach another component,
that component's points are left out, so that a peak does not depend on what shares a bin.

All climbs go step by step together. Those that meet go on as one: what follows depends on the place alone.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_STEPS = 300
STOP = 1e-3
"""A climb ends with a step of at most this part of the bandwidth."""

_WINDOW_ENTRIES = 1 << 19
"""Points in the windows that are looked at together, about."""

_MOST_CLIMBS = 1 << 14


@dataclass(frozen=True, slots=True)
class Landscape:
    """Points to climb from, ascending by id.

    Attributes:
        ids: Shape (points,).
        weights: Shape (points,).
        components: Shape (points,), the component of each point.
        vectors: Shape (points, dimensions), contiguous.
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    components: NDArray[np.int64]
    vectors: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Peaks:
    """Where climbs end; places are distinct.

    Attributes:
        seed: Shape (peaks,), the highest id among the points that climb there.
        intensity: Shape (peaks,), entities in the last window of that climb.
        centre: Shape (peaks, dimensions), their mean.
    """

    seed: NDArray[np.int64]
    intensity: NDArray[np.int64]
    centre: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.seed)

    def distinct(self) -> Peaks:
        """One peak for each place, that of the highest seed: scikit-learn keeps the last one it finds."""
        order = np.argsort(self.seed)[::-1]
        _, first = np.unique(as_keys(self.centre.take(order, axis=0)), return_index=True)
        return self.take(np.sort(order.take(first)))

    def take(self, rows: NDArray[np.intp]) -> Peaks:
        """Some of the peaks."""
        return Peaks(self.seed.take(rows), self.intensity.take(rows), self.centre.take(rows, axis=0))


def join_peaks(parts: list[Peaks], dimensions: int) -> Peaks:
    """The peaks of all parts, one for each place."""
    nothing = Peaks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimensions)))
    parts = [nothing, *parts]
    return Peaks(
        np.concatenate([part.seed for part in parts]),
        np.concatenate([part.intensity for part in parts]),
        np.concatenate([part.centre for part in parts]),
    ).distinct()


def as_keys(rows: NDArray[Any]) -> NDArray[np.void]:
    """One value for each row of a matrix, equal for equal bytes; shape (rows,)."""
    rows = np.ascontiguousarray(rows)
    keys: NDArray[np.void] = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return keys


def load_tree() -> Any:
    """The class `KDTree`; scikit-learn takes a second to load, so only who needs it does."""
    return importlib.import_module("sklearn.neighbors").KDTree


@dataclass(frozen=True, slots=True)
class _Climbs:
    """Climbs under way: shape (climbs,) and (climbs, dimensions)."""

    seed: NDArray[np.int64]
    component: NDArray[np.int64]
    place: NDArray[np.float64]
    window: NDArray[np.int64]  # points in the window before, for the size of the next

    def take(self, rows: NDArray[np.intp]) -> _Climbs:
        return _Climbs(
            self.seed.take(rows),
            self.component.take(rows),
            self.place.take(rows, axis=0),
            self.window.take(rows),
        )

    def merged(self) -> _Climbs:
        """Those at one place of one component as one."""
        key = np.column_stack([self.place.view(np.int64), self.component])
        _, first, climb = np.unique(as_keys(key), return_index=True, return_inverse=True)
        if len(first) == len(key):
            return self
        seed = np.full(len(first), -1)
        np.maximum.at(seed, climb.ravel(), self.seed)
        part = self.take(first)
        return _Climbs(seed, part.component, part.place, part.window)

    def batches(self) -> Iterator[_Climbs]:
        """Parts whose windows hold no more than some points together."""
        ends = np.cumsum(self.window)
        start = 0
        while start < len(ends):
            filled = ends[start] - self.window[start] + _WINDOW_ENTRIES
            stop = min(max(start + 1, int(np.searchsorted(ends, filled))), start + _MOST_CLIMBS)
            yield self.take(np.arange(start, min(stop, len(ends))))
            start = stop


def climb(land: Landscape, bandwidth: float) -> tuple[Peaks, int]:
    """Climb from every point.

    Args:
        land: Whole components.
        bandwidth: Radius of a window.

    Returns:
        The peaks, and the most steps a climb took.
    """
    dimensions = land.vectors.shape[1]
    if not len(land.ids):
        return join_peaks([], dimensions), 0
    windows = _Windows(land, bandwidth)
    climbs = _Climbs(
        land.ids, land.components, land.vectors + 0.0, np.full(len(land.ids), windows.first_size())
    )
    found: list[Peaks] = []
    steps = 0
    while True:
        going = [windows.step(batch, found, last=steps == MOST_STEPS) for batch in climbs.batches()]
        going = [part for part in going if len(part.seed)]
        if not going:
            return join_peaks(found, dimensions), steps
        steps += 1
        climbs = _Climbs(
            np.concatenate([part.seed for part in going]),
            np.concatenate([part.component for part in going]),
            np.concatenate([part.place for part in going]),
            np.concatenate([part.window for part in going]),
        ).merged()


class _Windows:
    """The points within the bandwidth of any place."""

    def __init__(self, land: Landscape, bandwidth: float) -> None:
        self._land = land
        self._bandwidth = bandwidth
        self._tree = load_tree()(land.vectors, leaf_size=30)
        self._moments = land.vectors * land.weights[:, None]

    def first_size(self) -> int:
        """Points in a window, about, before any was looked at: the mean of some."""
        rows = np.linspace(0, len(self._land.ids) - 1, 64).astype(np.int64)
        counts = self._tree.query_radius(
            self._land.vectors.take(rows, axis=0), self._bandwidth, count_only=True
        )
        return max(1, int(np.mean(counts)))

    def step(self, climbs: _Climbs, found: list[Peaks], *, last: bool) -> _Climbs:
        """One step of some climbs: those that go on; the peaks of the others go to `found`."""
        check_deadline()
        row, point = self._entries(climbs)
        size = np.bincount(row, minlength=len(climbs.seed))
        # Rounding may empty the window around two points at twice the bandwidth: such a climb has no peak.
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

    def _entries(self, climbs: _Climbs) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Climb and point of all entries of their windows, by climb and then by id."""
        near = self._tree.query_radius(climbs.place, self._bandwidth)
        row = np.repeat(np.arange(len(near)), [len(window) for window in near])
        point = np.concatenate(near).astype(np.intp, copy=False)
        own = np.flatnonzero(self._land.components.take(point) == climbs.component.take(row))
        row, point = row.take(own), point.take(own)
        order = np.lexsort((point, row))
        return row.take(order), point.take(order)
