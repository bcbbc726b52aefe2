"""Clusters of a day, numbered by their smallest point id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.labels import NOISE
from lambda_worker.union_find import number_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray


def number_by_smallest(
    label: NDArray[np.signedinteger],
) -> tuple[NDArray[np.signedinteger], int]:
    """Number clusters 0, 1, … in the order of their smallest point id.

    Args:
        label: Shape (points,): any numbers from 0 tell clusters apart, -1 is noise.

    Returns:
        The numbers instead, shape (points,), and how many clusters there are.
    """
    inside = np.flatnonzero(label != NOISE)
    roots = np.arange(len(label))
    numbers = label.take(inside)
    smallest = np.empty(int(numbers.max(initial=-1)) + 1, np.int64)
    smallest[numbers[::-1]] = inside[::-1]  # of several points of a cluster the first one stays
    roots[inside] = smallest.take(numbers)
    cluster, clusters = number_sets(roots, label != NOISE)
    return np.where(label == NOISE, NOISE, cluster), clusters
