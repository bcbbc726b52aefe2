"""A grid over points: the cell of each point as one number that sorts in the order of the cells."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.metrics.globe import ABSOLUTE_SLACK

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.metrics.globe import Globe

LEAST = 2.0**-500
"""Squares of smaller differences underflow, so a cell side is never derived from a smaller threshold."""

_FAR = (
    2.0**40
)  # beyond it, the proof in sql/candidates/grid/candidates_vector.sql clamps; here no cells are used
_MOST_KEYS = 2.0**62
_WIDER = 1 + 2.0**-10
_LEAST_SIDE = 2.0**-19  # in radii, 12 m: narrower cells are too many to number


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some points.

    Attributes:
        keys: Shape (points,), int64, >= 0: the cell of each point. Adjacent cells along the last axis have
            consecutive keys; there is room for `reach` empty cells on either side of every axis.
        strides: Difference between the keys of adjacent cells, by axis; the last is 1.
        reach: Number of cells to either side that are neighbours.
        low: The lowest cell by axis.
        widths: Cells from the lowest to the highest by axis, `reach` empty ones on either side included.
    """

    keys: Ints
    strides: tuple[int, ...]
    reach: int
    low: tuple[float, ...]
    widths: tuple[float, ...]

    def runs(self) -> Ints:
        """The middle of each run of neighbours, as an offset from the own key, ascending; shape (runs,)."""
        return runs_around(self.strides, self.reach)

    def runs_above(self) -> Ints:
        """The runs of the own cell and of higher keys, so that each pair of cells occurs once."""
        runs = self.runs()
        return runs[runs >= 0]


def runs_around(strides: tuple[int, ...], reach: int) -> Ints:
    """The middle of each run of neighbours of a cell, as an offset from its key, ascending; shape (runs,)."""
    steps = itertools.product(range(-reach, reach + 1), repeat=len(strides) - 1)
    return np.array(sorted(sum(map(int.__mul__, step, strides[:-1])) for step in steps), np.int64)


def side_of_plane(threshold: float) -> float:
    """The side of cells for vectors: near points are in the same or in adjacent cells."""
    return max(threshold, LEAST) * _WIDER


def side_of_globe(globe: Globe) -> float:
    """The same for places, in radii."""
    return max(globe.chord * _WIDER + ABSOLUTE_SLACK, _LEAST_SIDE)


def place_points(values: Floats, side: float, reach: int) -> Cells | None:
    """Put points into cells.

    Args:
        values: Shape (axes, points), finite, at least one point.
        side: Side of a cell.
        reach: Neighbours to either side.

    Returns:
        The cells; None if there are too many to number, or if quotients are too large to distinguish.
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
    return Cells(keys, tuple(strides), reach, tuple(low.tolist()), tuple(widths.tolist()))
