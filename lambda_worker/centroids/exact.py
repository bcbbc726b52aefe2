"""Sums without rounding: whatever the order and the split of the numbers, the same bits.

A double is cut into whole multiples of 2^(-24 level), each below 2^24, coarse levels first; nothing is lost,
for every cut leaves a rest that is again a double. Weighted multiples are added in 64-bit integers, one array
a level. Numbers of one size need three or four levels, and whole numbers one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract.centroids import LEVEL_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Numbers cut at a time: they stay in the cache of a core.
_BLOCK = 1 << 16
_LARGEST_POWER = 1000


class Groups:
    """Rows sorted by the group they belong to.

    Attributes:
        present: Shape (found,), intp: the groups that have rows, ascending.
        entities: Shape (found,), int64: sums of weights.
        points: Shape (found,), intp: rows of each.
    """

    def __init__(self, labels: NDArray[np.integer], weights: NDArray[np.int64]) -> None:
        """Sort the rows.

        Args:
            labels: Shape (rows,): the group of each row, at least one row.
            weights: Shape (rows,).
        """
        # Stable sorts of 16-bit numbers are radix sorts, several times faster.
        self._order = np.argsort(labels.astype(np.min_scalar_type(int(labels.max()))), kind="stable")
        ordered = labels.take(self._order)
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._weights = weights.take(self._order)
        self._alike = bool((weights == 1).all())
        self.present = ordered.take(self._starts).astype(np.intp)
        self.entities = np.add.reduceat(self._weights, self._starts)
        self.points = np.diff(np.append(self._starts, len(labels)))

    def sort(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of shape (columns, rows) in the order of the groups, copied."""
        return values.take(self._order, axis=1)

    def sum(self, parts: NDArray[np.float64]) -> NDArray[np.int64]:
        """Weighted sums of sorted whole numbers below 2^24; shapes (columns, rows), (columns, found)."""
        whole = parts.astype(np.int64)
        if not self._alike:
            whole *= self._weights
        sums: NDArray[np.int64] = np.add.reduceat(whole, self._starts, axis=1)
        return sums


class ExactSums:
    """Weighted sums of doubles, by group and column.

    Attributes:
        groups: How many.
        columns: How many.
        levels: By level, shape (columns, groups), int64.
    """

    def __init__(self, groups: int, columns: int) -> None:
        self.groups = groups
        self.columns = columns
        self.levels: dict[int, NDArray[np.int64]] = {}

    def add(self, values: NDArray[np.float64], groups: Groups, first: int = 0) -> None:
        """Add numbers.

        Args:
            values: Shape (columns added, rows), finite.
            groups: Of the rows.
            first: The column the first of them counts for.
        """
        step = max(1, _BLOCK // values.shape[1])
        for start in range(0, len(values), step):
            self._add_block(groups.sort(values[start : start + step]), groups, first + start)

    def add_level(
        self, level: int, column: NDArray[np.int64], group: NDArray[np.int64], sums: NDArray[np.int64]
    ) -> None:
        """Add sums of another such object; shapes (rows,), each (column, group) once."""
        self._level(level)[column, group] += sums

    def clear(self, groups: NDArray[np.intp]) -> None:
        """Forget all of some groups."""
        for sums in self.levels.values():
            sums[:, groups] = 0

    @property
    def finest(self) -> int:
        """The finest level there is."""
        return max(self.levels, default=0)

    def totals(self, column: int) -> NDArray[Any]:
        """Multiples of the finest level, Python integers, shape (groups,)."""
        total = np.zeros(self.groups, dtype=object)
        reached = min(self.levels, default=0)
        for level in sorted(self.levels):
            step = 1 << (LEVEL_BITS * (level - reached))
            total = total * step + self.levels[level][column].astype(object)
            reached = level
        return total

    def _add_block(self, rest: NDArray[np.float64], groups: Groups, first: int) -> None:
        columns = slice(first, first + len(rest))
        while largest := float(np.abs(rest).max()):
            level = level_of(largest)
            parts = np.trunc(_scaled(rest, level))
            self._level(level)[columns, groups.present] += groups.sum(parts)
            rest -= _scaled(parts, -level)

    def _level(self, level: int) -> NDArray[np.int64]:
        if level not in self.levels:
            self.levels[level] = np.zeros((self.columns, self.groups), np.int64)
        return self.levels[level]


def level_of(largest: float) -> int:
    """The coarsest level of which a positive number has fewer than 2^24 multiples."""
    return (LEVEL_BITS - math.frexp(largest)[1]) // LEVEL_BITS


def _scaled(values: NDArray[np.float64], level: int) -> NDArray[np.float64]:
    """Values times 2^(24 level); exact, but for results that count as 0 because they are cut."""
    power = LEVEL_BITS * level
    if abs(power) <= _LARGEST_POWER:
        return values * 2.0**power
    half = 2.0 ** (power // 2)  # in two steps, for the factor itself is no double
    return values * half * half
