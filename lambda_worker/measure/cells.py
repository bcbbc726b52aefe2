"""The grid around some points: which cell each lies in, as one number that sorts as the cells do."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 2.0**-500
"""Squares of smaller differences underflow: a side is made of no smaller threshold."""

_FAR = 2.0**40  # beyond it the proof in sql/candidates/vector.sql clamps, and we do without cells
_MOST_KEYS = 2.0**62


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some points.

    Attributes:
        keys: Shape (points,), int64, >= 0: the cell of each. Cells next to each other along the last axis
            have keys in a row; there is room for `reach` empty cells on either side of every axis.
        strides: How far apart the keys of neighbours are, by axis; the last is 1.
        reach: How many cells to either side are neighbours.
    """

    keys: NDArray[np.int64]
    strides: tuple[int, ...]
    reach: int

    def runs(self) -> NDArray[np.int64]:
        """The middle of each run of neighbours, as an offset to the own key, ascending; shape (runs,)."""
        steps = itertools.product(range(-self.reach, self.reach + 1), repeat=len(self.strides) - 1)
        offsets = [sum(map(int.__mul__, step, self.strides[:-1])) for step in steps]
        return np.array(sorted(offsets), np.int64)

    def runs_above(self) -> NDArray[np.int64]:
        """That of the own cell and those of higher keys: each pair of cells is met once."""
        runs = self.runs()
        return runs[runs >= 0]


def place_points(values: NDArray[np.float64], side: float, reach: int) -> Cells | None:
    """Put points into cells.

    Args:
        values: Shape (axes, points), finite, at least one point.
        side: Of a cell.
        reach: Neighbours to either side.

    Returns:
        None where there would be too many cells to number, or quotients too large to be told apart.
    """
    cells = np.floor(values / side)
    low, high = cells.min(axis=1), cells.max(axis=1)
    widths = high - low + 1 + 2 * reach
    if max(abs(low.min()), abs(high.max())) >= _FAR or math.prod(widths.tolist()) >= _MOST_KEYS:
        return None
    strides = [1]
    for width in widths[:0:-1].tolist():
        strides.insert(0, strides[0] * int(width))
    keys = np.zeros(values.shape[1], np.int64)
    for axis, stride in enumerate(strides):
        keys += ((cells[axis] - low[axis]).astype(np.int64) + reach) * stride
    return Cells(keys, tuple(strides), reach)
