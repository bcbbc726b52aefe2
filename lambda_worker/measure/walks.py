"""A walk over the cells of a grid in numpy: the twin of the kernel's, the same pairs in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Listed = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

_TESTED = 1 << 20  # pairs at a time; more where one point alone meets more


class ArrayWalk:
    """Near pairs of points that lie sorted by the keys of their cells, some at a time.

    Attributes:
        tested: Pairs whose distance was computed so far.
        tests: Pairs it will test in all.
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        keys: NDArray[np.int64],
        nearness: tuple[str, float],
        neighbours: tuple[NDArray[np.int64], int],
        home: NDArray[np.bool_],
    ) -> None:
        """Nothing is measured yet.

        Args:
            values: Shape (dimensions, points).
            keys: Shape (points,), ascending.
            nearness: The metric, and the largest reduced distance that is near.
            neighbours: Offsets of the run of the own cell and of those above it, and their reach.
            home: Shape (points,): pairs of two points that are not at home do not count.
        """
        self.tested = 0
        self._values = values
        self._metric, self._limit = nearness
        self._home = home
        self._next = 0
        runs, reach = neighbours
        middles = keys[:, None] + runs
        self._starts = np.searchsorted(keys, middles - reach)
        self._ends = np.searchsorted(keys, middles + reach, side="right")
        self._starts[:, 0] = np.arange(1, len(keys) + 1)
        self._before = np.concatenate([[0], np.cumsum((self._ends - self._starts).sum(axis=1))])

    @property
    def tests(self) -> int:
        """Pairs it will test in all."""
        return int(self._before[-1])

    def next(self) -> Listed | None:
        """Rows of the next near pairs and their reduced distances; None after the last."""
        points = len(self._home)
        while self._next < points:
            begin = self._next
            end = int(np.searchsorted(self._before, self._before[begin] + _TESTED, side="right")) - 1
            self._next = min(points, max(end, begin + 1))
            found = self._between(slice(begin, self._next))
            if len(found[0]):
                return found
        return None

    def _between(self, rows: slice) -> Listed:
        starts, ends = self._starts[rows].ravel(), self._ends[rows].ravel()
        counts = ends - starts
        owners = np.repeat(np.arange(rows.start, rows.stop), self._starts.shape[1])
        first = np.repeat(owners, counts)
        # The numbers of each run, one run after the other.
        second = np.arange(len(first)) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        self.tested += len(first)
        reduced = self._reduce(first, second)
        near = np.flatnonzero((reduced <= self._limit) & (self._home[first] | self._home[second]))
        return first.take(near), second.take(near), reduced.take(near)

    def _reduce(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        total = np.zeros(len(first))
        for axis in self._values:
            step = axis.take(first) - axis.take(second)
            if self._metric == "euclidean":
                total += step * step
            elif self._metric == "manhattan":
                total += np.abs(step)
            else:
                np.maximum(total, np.abs(step), out=total)
        return total
