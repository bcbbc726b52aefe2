"""Distances of vectors, with the same order of operations as in the SQL statements.

Doubles are added dimension by dimension, starting with the first; numpy's own sums and matrix products add in
another order, so they are used only to choose the pairs to measure here. The kernel computes the same
(`listed.c`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.kernel import loaded
from lambda_worker.kernel.kd_tree import NUMBERS
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambda_worker.arrays import Bools, Floats, Indices

_TINY, _MAGNIFIER = 2.0**-400, 2.0**700
_CHUNK = 1 << 15  # pairs at a time, so that a term of the sum stays in the cache


@dataclass(frozen=True, slots=True)
class Metric:
    """A distance as a fold over the dimensions.

    The fold gives a reduced distance, which is compared: for `euclidean` the square, as in scikit-learn's and
    scipy's trees, else the distance itself.

    Attributes:
        meet: Combines the coordinates of two points.
        term: Turns the result into a term.
        fold: Adds a term.
        of_directions: Whether it is 1 less the sum, of the `directions` of points instead of the points.
    """

    meet: np.ufunc
    term: np.ufunc
    fold: np.ufunc
    of_directions: bool = False

    def reduce(self, coordinates: Iterable[tuple[Floats, Floats]], out: Floats) -> Floats:
        """Write reduced distances.

        Args:
            coordinates: Those of one point and of the other for each dimension, which broadcast.
            out: An array of their common shape.
        """
        for dimension, (one, other) in enumerate(coordinates):
            term = self.meet(one, other)
            self.term(term, out=term)
            if dimension:
                self.fold(out, term, out=out)
            else:
                np.copyto(out, term)
        return self.finish(out)

    def finish(self, folded: Floats) -> Floats:
        """Turn folded terms into reduced distances, in place."""
        if self.of_directions:
            np.clip(folded, -1.0, 1.0, out=folded)
            np.subtract(1.0, folded, out=folded)
        return folded

    def reduce_rows(self, one: Floats, others: Floats) -> Floats:
        """Return reduced distances of one point to others, folded in the order of the dimensions as `reduce`.

        Args:
            one: Shape (dimensions,).
            others: Shape (points, dimensions); few points, because all terms are in memory at once.
        """
        terms = self.meet(one[:, np.newaxis], others.T)
        self.term(terms, out=terms)
        # A fold of numpy's `reduce` may add in another order; `accumulate` may not.
        folded: Floats = self.fold.accumulate(terms, axis=0)[-1]
        return 1.0 - np.clip(folded, -1.0, 1.0) if self.of_directions else folded

    def limit(self, threshold: float) -> float:
        """The largest reduced distance that is near."""
        return threshold * threshold if self.term is np.square else threshold

    def restore(self, reduced: Floats, threshold: float = np.inf) -> Floats:
        """Distances from reduced ones, clipped because a root may round above the threshold."""
        return np.minimum(np.sqrt(reduced), threshold) if self.term is np.square else reduced


EUCLIDEAN = Metric(np.subtract, np.square, np.add)

METRICS = {
    "euclidean": EUCLIDEAN,
    "manhattan": Metric(np.subtract, np.abs, np.add),
    "chebyshev": Metric(np.subtract, np.abs, np.maximum),
    "cosine": Metric(np.multiply, np.positive, np.add, of_directions=True),
}
"""The metrics of vectors."""


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Which of the listed pairs are near, and their distances; shapes (pairs,) and (near pairs,)."""

    is_near: Bools
    distance: Floats


@dataclass(frozen=True, slots=True)
class Nearness:
    """Decides which pairs are near.

    Attributes:
        name: The distance, one of `METRICS`.
        threshold: Pairs at most this far apart are near.
    """

    name: str
    threshold: float

    @property
    def metric(self) -> Metric:
        """The distance."""
        return METRICS[self.name]

    def measure(self, one: Points, rows: Indices, other: Points, columns: Indices) -> NearPairs:
        """Measure the pairs (one[rows[k]], other[columns[k]])."""
        reduced = self._reduce(one.values, rows, other.values, columns)
        is_near = reduced <= self.metric.limit(self.threshold)
        return NearPairs(is_near, self.metric.restore(reduced[is_near], self.threshold))

    def _reduce(self, one: Floats, rows: Indices, other: Floats, columns: Indices) -> Floats:
        if kernel := loaded():
            return self.metric.finish(kernel.measure_pairs(NUMBERS[self.name], one, rows, other, columns))
        reduced = np.empty(len(rows))
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            axes = zip(one, other, strict=True)
            terms = ((left.take(rows[part]), right.take(columns[part])) for left, right in axes)
            self.metric.reduce(terms, reduced[part])
        return reduced


def build_metric(name: str, threshold: float) -> Nearness:
    """Build the metric of an event.

    Raises:
        ContractError: There is no such metric.
    """
    if name not in METRICS:
        raise ContractError(f"unknown metric {name!r}; known are {', '.join(sorted(METRICS))}")
    return Nearness(name, threshold)


def compares_directions(name: str) -> bool:
    """Whether a metric measures the `directions` of points; metrics of other files do not."""
    return name in METRICS and METRICS[name].of_directions


def fastest_layout() -> Literal["C", "F"]:
    """The memory layout of shape (dimensions, points) that `Nearness.measure` reads fastest."""
    return "F" if loaded() else "C"


def directions(points: Points, order: Literal["C", "F"] = "C") -> Points:
    """Normalize points to length 1, with the order of operations of sql/candidates/grid/cells/cosine.sql.

    Vectors whose squares would underflow are first multiplied by 2^700, which is exact. A zero vector stays
    zero.

    Args:
        points: Vectors.
        order: Memory layout of the result.
    """
    is_tiny = (np.abs(points.values) < _TINY).all(axis=0)
    factor = np.where(is_tiny, _MAGNIFIER, 1.0)
    squared = np.zeros(len(points))
    for row in points.values:
        magnified = row * factor
        squared += magnified * magnified
    length = np.sqrt(squared)
    values = np.multiply(points.values, factor, order=order)
    values /= np.where(length == 0, 1.0, length)
    return Points(points.ids, values)
