"""Clusters of points and the heights of their possible merges, for each linkage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.contract.components import Linkage


class Hierarchy:
    """Clusters, each in the slot of one of its points, and the heights of their possible merges.

    Attributes:
        is_exact: Whether every height is the distance of two points, so that no sum is rounded.
    """

    is_exact = False

    def heights(self, slot: int) -> Floats:
        """Heights of merging one cluster with each, shape (slots,); infinite for itself and empty slots."""
        raise NotImplementedError

    def merge(self, slot: int, into: int) -> None:
        """Merge two clusters; the first slot is empty afterwards."""
        raise NotImplementedError

    def keep(self, slots: Indices) -> None:
        """Keep only some slots, ascending, and renumber them 0, 1, …."""
        raise NotImplementedError


class DistanceMatrix(Hierarchy):
    """Heights in a square matrix, updated as by Lance and Williams (The Computer Journal 1967)."""

    def __init__(self, matrix: Floats, weights: Ints, linkage: Linkage) -> None:
        """The matrix is overwritten.

        Args:
            matrix: Distances of the points, shape (points, points), contiguous.
            weights: Entities of each point, shape (points,).
            linkage: Not `ward`.
        """
        np.fill_diagonal(matrix, np.inf)
        self._matrix = matrix
        self.is_exact = linkage != "average"
        self._join = np.minimum if linkage == "single" else np.maximum
        self._sizes = None if self.is_exact else weights.astype(np.float64)
        self._empty = np.zeros(len(matrix))  # infinite for empty slots

    def heights(self, slot: int) -> Floats:
        """See `Hierarchy`."""
        heights: Floats = self._matrix[slot] + self._empty
        return heights

    def merge(self, slot: int, into: int) -> None:
        """See `Hierarchy`."""
        one, other = self._matrix[slot], self._matrix[into]
        if self._sizes is None:
            self._join(one, other, out=other)
        else:
            size, joined = self._sizes[slot], self._sizes[slot] + self._sizes[into]
            other *= self._sizes[into]
            one *= size
            other += one
            other /= joined
            self._sizes[into] = joined
        other[into] = np.inf
        self._matrix[:, into] = other
        self._empty[slot] = np.inf

    def keep(self, slots: Indices) -> None:
        """See `Hierarchy`; rows move up within the same memory, to rows that have already been read."""
        old, room = self._matrix, self._matrix.reshape(-1)
        self._matrix = room[: len(slots) ** 2].reshape(len(slots), len(slots))
        for row, slot in enumerate(slots.tolist()):
            self._matrix[row] = old[slot].take(slots)
        self._empty = self._empty.take(slots)
        self._sizes = None if self._sizes is None else self._sizes.take(slots)


class Means(Hierarchy):
    """Ward's heights from the means of clusters: no matrix, and no differences of large sums."""

    def __init__(self, vectors: Floats, weights: Ints) -> None:
        """Nothing is overwritten.

        Args:
            vectors: Shape (points, dimensions).
            weights: Entities of each point, shape (points,).
        """
        self._means: Floats = np.array(vectors.T, order="C")
        self._sizes = weights.astype(np.float64)

    def heights(self, slot: int) -> Floats:
        """See `Hierarchy`."""
        squared = np.zeros(len(self._sizes))
        for values in self._means:
            difference = values - values[slot]
            difference *= difference
            squared += difference
        size = self._sizes[slot]
        squared *= 2.0 * size * self._sizes
        squared /= self._sizes + size
        squared[slot] = np.inf
        np.sqrt(squared, out=squared)
        return squared

    def merge(self, slot: int, into: int) -> None:
        """See `Hierarchy`."""
        size, other = self._sizes[slot], self._sizes[into]
        share = size / (size + other)
        self._means[:, into] += share * (self._means[:, slot] - self._means[:, into])
        self._means[:, slot] = np.inf
        self._sizes[into] = size + other

    def keep(self, slots: Indices) -> None:
        """See `Hierarchy`."""
        self._means = self._means.take(slots, axis=1)
        self._sizes = self._sizes.take(slots)
