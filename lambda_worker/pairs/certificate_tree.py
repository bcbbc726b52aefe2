"""The kernel's certificate in any number of dimensions, from a k-d tree.

Points near each other are counted until there are `min_samples`, and nodes of the tree that are joined are
not compared; see lambda_worker/kernel/density_tree.c. So a dense day takes less time than a sparse one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded
from lambda_worker.kernel.density_tree import LISTED, DensityTree
from lambda_worker.kernel.grid import NUMBERS
from lambda_worker.kernel.kd_tree import MOST_COORDINATES
from lambda_worker.metrics.listed import METRICS, build_metric
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Ints, Pairs
    from lambda_worker.tables.points import WeightedPoints

_MOST_POINTS = 2**30


def certify_tree(
    points: WeightedPoints, metric: str, threshold: float, min_samples: int
) -> TreeCertificate | None:
    """Find the core points; pairs are computed on demand.

    Args:
        points: All points of the day; coordinates are overwritten.
        metric: The distance.
        threshold: Pairs at most this far apart are near.
        min_samples: Entities near a core point, its own included.

    Returns:
        The certificate; None if the kernel was not built or cannot hold the points.
    """
    kernel = loaded()
    if kernel is None or metric not in NUMBERS or not 0 < len(points) <= _MOST_POINTS:
        return None
    limit = METRICS[metric].limit(threshold)
    if len(points.values) > MOST_COORDINATES or not math.isfinite(limit):
        return None
    tree = DensityTree(kernel, metric, points.values, points.weights, limit)
    return TreeCertificate(tree, metric, threshold, min_samples)


class TreeCertificate:
    """Core points and witness pairs of points in a tree.

    Attributes:
        core: Which points are core, by id; shape (points,).
    """

    def __init__(self, tree: DensityTree, metric: str, threshold: float, min_samples: int) -> None:
        """Find the cores, before any pair is listed."""
        self._tree = tree
        self._metric = metric
        self._threshold = threshold
        self._min_samples = min_samples
        self.core = np.empty(len(tree.ids), np.bool_)
        self.core[tree.ids] = tree.mark_cores(min_samples)

    @property
    def tested(self) -> int:
        """Number of distances computed so far."""
        return self._tree.tested

    def pairs(self) -> Iterator[Pairs]:
        """Smaller ids, larger ids and distances, some pairs at a time; each shape (pairs,)."""
        first, second = self._tree.join_cores()
        for start in range(0, len(first), LISTED):
            part = slice(start, start + LISTED)
            yield self._measured(first[part], second[part])
        for rows, cores in self._tree.attach_others(self._min_samples):
            yield self._measured(rows, cores)

    def _measured(self, first: Ints, second: Ints) -> Pairs:
        rows = Points(np.empty(0, np.int64), self._tree.values)  # distances use values only
        found = build_metric(self._metric, self._threshold).measure(rows, first, rows, second)
        a, b = self._tree.ids.take(first), self._tree.ids.take(second)
        return np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64), found.distance
