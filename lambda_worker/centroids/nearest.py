"""The nearest centre of each point: a matrix product chooses, exact distances decide.

The distance of a point x and a centre c is the sum of (x_j - c_j)^2 in the order of the dimensions, and the
nearest centre is the lowest number with the least of it. So a label depends on the point and the centres
alone. The product |c|^2 - 2 x.c, which tells the same but for rounding, finds it in a tenth of the time;
only points with several centres inside its rounding error are measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TILE = 1 << 20  # products in memory at once
_ROUNDING = np.finfo(np.float64).eps
_SMALLEST = np.finfo(np.float64).tiny


def squared_distances(
    vectors: NDArray[np.float64],
    centres: NDArray[np.float64],
    labels: NDArray[np.integer],
    points: NDArray[np.integer] | slice = slice(None),
) -> NDArray[np.float64]:
    """Squared distances of points to a centre each, added in the order of the dimensions.

    Args:
        vectors: Shape (dimensions, points).
        centres: Shape (dimensions, centres).
        labels: Shape (pairs,): the centre of each pair.
        points: Shape (pairs,): the point of each; all of them, each once, when left out.

    Returns:
        Shape (pairs,).
    """
    total = np.zeros(len(labels))
    for values, places in zip(vectors, centres, strict=True):
        difference = values[points] - places.take(labels)
        difference *= difference
        total += difference
    return total


class Nearest:
    """Finds nearest centres."""

    def __init__(self, centres: NDArray[np.float64]) -> None:
        """Prepare the products.

        Args:
            centres: Shape (dimensions, centres), at least one.
        """
        self._centres = centres
        self._origin = centres.mean(axis=1, keepdims=True)
        moved = centres - self._origin
        self._products = np.ascontiguousarray(-2.0 * moved.T)
        squares = (moved * moved).sum(axis=0)
        self._squares = squares[:, np.newaxis]
        self._reach = float(np.sqrt(squares.max()))
        # Shifting, adding d products and adding the distance itself: each errs by some (d + 2) roundings of
        # (|x| + |c|)^2, for either of two centres.
        self._error = (4 * len(centres) + 32) * _ROUNDING

    def labels(self, vectors: NDArray[np.float64]) -> NDArray[np.intp]:
        """The nearest centre of each point.

        Args:
            vectors: Shape (dimensions, points).

        Returns:
            Shape (points,).
        """
        points, count = vectors.shape[1], len(self._products)
        labels = np.zeros(points, np.intp)
        if count == 1:
            return labels
        step = max(64, _TILE // count)
        for start in range(0, points, step):
            check_deadline()
            labels[start : start + step] = self._tile(vectors[:, start : start + step])
        return labels

    def _tile(self, vectors: NDArray[np.float64]) -> NDArray[np.intp]:
        moved = vectors - self._origin
        products = self._products @ moved
        products += self._squares
        reach = np.sqrt((moved * moved).sum(axis=0)) + self._reach
        limit = products.min(axis=0) + (self._error * reach * reach + _SMALLEST)
        # Twice as fast as argmin, and it tells who is near besides.
        centres, points = np.divmod(np.flatnonzero(products <= limit), len(limit))
        labels = np.zeros(len(limit), np.intp)
        labels[points] = centres
        if len(points) > len(labels):
            doubtful = np.bincount(points, minlength=len(labels)).take(points) > 1
            self._decide(vectors, labels, points[doubtful], centres[doubtful])
        return labels

    def _decide(
        self,
        vectors: NDArray[np.float64],
        labels: NDArray[np.intp],
        points: NDArray[np.intp],
        centres: NDArray[np.intp],
    ) -> None:
        """Set the labels of points to the nearest of some centres; pairs, shapes (pairs,), by centre."""
        order = np.argsort(points, kind="stable")
        points, centres = points.take(order), centres.take(order)
        distances = squared_distances(vectors, self._centres, centres, points)
        starts = np.flatnonzero(np.concatenate([[True], points[1:] != points[:-1]]))
        sizes = np.diff(np.append(starts, len(points)))
        nearest = np.flatnonzero(distances == np.repeat(np.minimum.reduceat(distances, starts), sizes))
        # Backwards, for the last of the values of one place stays: the lowest centre.
        labels[points.take(nearest)[::-1]] = centres.take(nearest)[::-1]
