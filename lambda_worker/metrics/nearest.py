"""The nearest centre of each point: a matrix product chooses, exact distances decide.

The distance of a point x and a centre c is the sum of (x_j - c_j)^2 in the order of the dimensions. The
nearest centre has the smallest distance; ties go to the lowest number. So a label depends only on the point
and the centres. The product |c|^2 - 2 x.c, which is equivalent except for rounding, finds it in a tenth of
the time; only points with several centres within its rounding error are measured exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded
from lambda_worker.metrics.listed import EUCLIDEAN
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Floats, Indices

_TILE = 1 << 20  # products in memory at once
_KERNEL_TILE = 1 << 25  # products between two checks of the deadline
_KERNEL_DIMENSIONS = 8  # with more, the product and exact distances of few are faster than exact ones of all
_ROUNDING = np.finfo(np.float64).eps
_SMALLEST = np.finfo(np.float64).tiny


def squared_distances(
    vectors: Floats, centres: Floats, labels: AnyInts, points: AnyInts | slice = slice(None)
) -> Floats:
    """Return the squared distance of each point to one centre, added in the order of the dimensions.

    Args:
        vectors: Shape (dimensions, points).
        centres: Shape (dimensions, centres).
        labels: Shape (pairs,): the centre of each pair.
        points: Shape (pairs,): the point of each pair; by default all points, each once.

    Returns:
        Shape (pairs,).
    """
    axes = zip(vectors, centres, strict=True)
    terms = ((values[points], places.take(labels)) for values, places in axes)
    return EUCLIDEAN.reduce(terms, np.empty(len(labels)))


class Nearest:
    """Finds nearest centres."""

    def __init__(self, centres: Floats) -> None:
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
        # Shifting, adding d products and adding the distance itself: each has an error of about (d + 2)
        # roundings of (|x| + |c|)^2, for either of two centres.
        self._error = (4 * len(centres) + 32) * _ROUNDING

    def find(self, vectors: Floats) -> tuple[Indices, Floats]:
        """The nearest centre of each point, and the squared distance to it; shapes (points,).

        Args:
            vectors: Shape (dimensions, points).
        """
        kernel = loaded()
        if kernel is None or len(vectors) > _KERNEL_DIMENSIONS:
            labels = self.labels(vectors)
            return labels, squared_distances(vectors, self._centres, labels)
        labels, distances = np.empty(vectors.shape[1], np.intp), np.empty(vectors.shape[1])
        step = max(64, _KERNEL_TILE // self._centres.shape[1])
        for start in range(0, len(labels), step):
            check_deadline()
            part = slice(start, start + step)
            kernel.find_nearest(vectors[:, part], self._centres, labels[part], distances[part])
        return labels, distances

    def labels(self, vectors: Floats) -> Indices:
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

    def _tile(self, vectors: Floats) -> Indices:
        moved = vectors - self._origin
        products = self._products @ moved
        products += self._squares
        reach = np.sqrt((moved * moved).sum(axis=0)) + self._reach
        limit = products.min(axis=0) + (self._error * reach * reach + _SMALLEST)
        # Twice as fast as argmin, and it also shows which centres are near.
        centres, points = np.divmod(np.flatnonzero(products <= limit), len(limit))
        labels = np.zeros(len(limit), np.intp)
        labels[points] = centres
        if len(points) > len(labels):
            doubtful = np.bincount(points, minlength=len(labels)).take(points) > 1
            self._decide(vectors, labels, points[doubtful], centres[doubtful])
        return labels

    def _decide(self, vectors: Floats, labels: Indices, points: Indices, centres: Indices) -> None:
        """Set labels to the nearest of several centres; pairs, shapes (pairs,), are sorted by centre."""
        order = np.argsort(points, kind="stable")
        points, centres = points.take(order), centres.take(order)
        distances = squared_distances(vectors, self._centres, centres, points)
        starts = np.flatnonzero(np.concatenate([[True], points[1:] != points[:-1]]))
        sizes = np.diff(np.append(starts, len(points)))
        nearest = np.flatnonzero(distances == np.repeat(np.minimum.reduceat(distances, starts), sizes))
        # Assign backwards, because the last value written wins: the lowest centre.
        labels[points.take(nearest)[::-1]] = centres.take(nearest)[::-1]
