"""A k-d tree over the points of a day in the kernel: core points, and near pairs that join them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel.kd_tree import KdTree
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Floats, Ints
    from lambda_worker.kernel.library import Kernel

_LEAVES, _NODES, _ROWS = 1 << 10, 1 << 11, 1 << 14  # between two checks of the deadline
_SHARE = 8  # of the nodes from the root on: those of a level take about as long as those of the level below
LISTED = 1 << 19
"""Pairs at a time."""


class DensityTree(KdTree):
    """Points in the leaves of a tree, for one threshold; pairs are listed as rows.

    Call `mark_cores`, `join_cores` and `attach_others` in this order.

    Attributes:
        values: Shape (dimensions, points): coordinates of the rows.
    """

    def __init__(self, kernel: Kernel, metric: str, values: Floats, weights: Ints, limit: float) -> None:
        """Build the tree.

        Args:
            kernel: The functions.
            metric: `euclidean`, `manhattan` or `chebyshev`.
            values: Shape (dimensions, points): coordinates. Sorted in place.
            weights: Shape (points,): entities of each point.
            limit: The largest reduced distance that is near; finite.
        """
        super().__init__(kernel, metric, values, np.empty((0, len(weights))), weights)
        self.values = values
        self._weights = weights
        self._limit = limit
        self._core = np.zeros(self._points, np.bool_)

    def mark_cores(self, min_samples: int) -> Bools:
        """Return which rows have `min_samples` entities near them, their own included; shape (points,)."""
        self._struct.enough = min_samples
        sums = np.zeros(self._points + 1, np.int64)
        np.cumsum(self._weights.take(self.ids), out=sums[1:])
        leaves = 2**self._depth
        for first in range(0, leaves, _LEAVES):
            check_deadline()
            end = min(first + _LEAVES, leaves)
            self._kernel.call.mark_cores(self.address, self._limit, sums, first, end, self._core)
        return self._core

    def join_cores(self) -> tuple[Ints, Ints]:
        """Return near pairs of cores that connect the same cores as all near pairs; shapes (pairs,)."""
        self.hold("set", np.arange(self._points, dtype=np.int32))
        first, second = np.empty(self._points, np.int64), np.empty(self._points, np.int64)
        listed, end = 0, 2 ** (self._depth + 1) - 1
        while end:
            check_deadline()
            begin = end - min(_NODES, max(1, end // _SHARE))
            listed = self._kernel.call.join_nodes(
                self.address, self._limit, self._core, begin, end, listed, first, second
            )
            end = begin
        return first[:listed], second[:listed]

    def attach_others(self, min_samples: int) -> Iterator[tuple[Ints, Ints]]:
        """Yield rows that are not core, with a near core of each set that has one; shapes (pairs,)."""
        most = min(min_samples, self._points)  # a row that is not core has fewer near it
        seen, cursor = np.empty(most, np.int32), np.zeros(1, np.int64)
        outer, inner = np.empty(LISTED + most, np.int64), np.empty(LISTED + most, np.int64)
        while cursor[0] < self._points:
            check_deadline()
            end = min(int(cursor[0]) + _ROWS, self._points)
            listed = self._kernel.call.attach_rows(
                self.address, self._limit, self._core, cursor, end, most, seen, len(outer), outer, inner
            )
            if listed:
                yield outer[:listed], inner[:listed]
