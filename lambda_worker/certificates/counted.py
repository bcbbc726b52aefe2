"""The twin of the kernel's certificate in numpy: every near pair is measured twice, and few are kept.

Pairs of two cores are kept where they join two sets. A point that is not core has less than `min_samples`
entities near it, so that all its near cores are kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline
from lambda_worker.forests.minimum import join_edges
from lambda_worker.measure.distances import build_metric
from lambda_worker.measure.filters import distance_filter
from lambda_worker.measure.grid import search_grid
from lambda_worker.measure.points import Points
from lambda_worker.measure.product import Product
from lambda_worker.measure.tree import measure_tree
from lambda_worker.union_find import DisjointSets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.certificates.points import Pairs, WeightedPoints
    from lambda_worker.measure.product import PairTaker


def certify_by_count(
    points: WeightedPoints, metric: str, threshold: float, min_samples: int
) -> CountedCertificate:
    """Count the entities near each point, then keep the pairs that matter."""

    def measure(taker: PairTaker) -> int:
        chooses = distance_filter(metric, threshold, len(points.values))
        product = Product(build_metric(metric, threshold), chooses, taker)
        home = Points(np.arange(len(points), dtype=np.int64), points.values)
        search = search_grid(home, home.take(slice(0, 0)), metric, threshold)
        if search is not None:
            for pairs in search.pairs():
                taker.add(*pairs)
            return search.tested
        measure_tree(product, chooses.radius, home, home.take(slice(0, 0)), within=True)
        return product.tested

    degrees = _Degrees(points.weights)
    tested = measure(degrees)
    certificate = CountedCertificate(degrees.found >= min_samples)
    certificate.tested = tested + measure(certificate)
    return certificate


class _Degrees:
    """Adds up the entities near each point."""

    def __init__(self, weights: NDArray[np.int64]) -> None:
        self.found = weights.copy()
        self._weights = weights

    def add(self, one: NDArray[np.int64], other: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        check_deadline()
        del distance
        np.add.at(self.found, one, self._weights.take(other))
        np.add.at(self.found, other, self._weights.take(one))


class CountedCertificate:
    """Takes all near pairs, keeps those that matter.

    Attributes:
        core: Which points are core, by id; shape (points,).
        tested: Distances computed.
    """

    def __init__(self, core: NDArray[np.bool_]) -> None:
        self.core = core
        self.tested = 0
        self._sets = DisjointSets(len(core))
        self._room = np.empty(len(core), np.int32)
        self._kept: list[Pairs] = []

    def add(self, one: NDArray[np.int64], other: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        """Take near pairs, in either order; each shape (pairs,)."""
        check_deadline()
        a, b = np.minimum(one, other), np.maximum(one, other)
        core_a, core_b = self.core.take(a), self.core.take(b)
        both = np.flatnonzero(core_a & core_b)
        joining = both.compress(join_edges(a.take(both), b.take(both), self._sets, self._room))
        rows = np.concatenate([joining, np.flatnonzero(core_a ^ core_b)])
        self._kept.append((a.take(rows), b.take(rows), distance.take(rows)))

    def pairs(self) -> Iterator[Pairs]:
        """See `Certificate`."""
        return (pairs for pairs in self._kept if len(pairs[0]))
