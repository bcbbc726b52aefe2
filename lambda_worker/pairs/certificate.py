"""Density certificates: core points, and enough near pairs for DBSCAN to give the same clusters.

The numpy fallback of the kernel measures every near pair twice and keeps few: pairs of two cores if they join
two sets, and all near cores of a non-core point, which has fewer than `min_samples` entities near it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.contract.candidates import CertifyReply
from lambda_worker.graph.degrees import core_blocks
from lambda_worker.graph.minimum import join_edges
from lambda_worker.graph.union_find import DisjointSets
from lambda_worker.metrics.filters import distance_filter
from lambda_worker.metrics.listed import build_metric
from lambda_worker.pairs.certificate_cells import certify_cells
from lambda_worker.pairs.certificate_tree import certify_tree
from lambda_worker.pairs.pairs import PairFiles
from lambda_worker.pairs.product import Product
from lambda_worker.pairs.tree import measure_tree
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.points import Points, read_weighted_points
from lambda_worker.tables.writing import write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Floats, Ints, Pairs
    from lambda_worker.contract.candidates import CertifyEvent
    from lambda_worker.pairs.certificate_cells import CellCertificate
    from lambda_worker.pairs.certificate_tree import TreeCertificate
    from lambda_worker.pairs.product import PairTaker
    from lambda_worker.tables.points import WeightedPoints


def certify(event: CertifyEvent) -> CertifyReply:
    """Write the core points of a day, and a sufficient set of near pairs.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    points = read_weighted_points(event.points, event.columns, event.point_count)
    certificate = _certificate(points, event)
    files = PairFiles(event.pairs, event.max_pairs)
    files.write_listed(certificate.pairs())
    cores, core_bytes = write_columns(event.cores, ("point_id",), core_blocks(certificate.core))
    written = files.fields()
    written["bytes"] += core_bytes
    return CertifyReply(ok=True, cores=cores, core_bytes=core_bytes, tested=certificate.tested, **written)


def _certificate(
    points: WeightedPoints, event: CertifyEvent
) -> CellCertificate | TreeCertificate | CountedCertificate:
    for certify_points in (certify_cells, certify_tree):
        found = certify_points(points, event.metric, event.threshold, event.min_samples)
        if found is not None:
            return found
    with threadpool_limits(limits=1, user_api="blas"):
        return certify_by_count(points, event.metric, event.threshold, event.min_samples)


def certify_by_count(
    points: WeightedPoints, metric: str, threshold: float, min_samples: int
) -> CountedCertificate:
    """Count the entities near each point, then keep the pairs that matter."""

    def measure(taker: PairTaker) -> int:
        chooses = distance_filter(metric, threshold, len(points.values))
        product = Product(build_metric(metric, threshold), chooses, taker)
        home = Points(np.arange(len(points), dtype=np.int64), points.values)
        measure_tree(product, chooses.radius, home, home.take(slice(0, 0)), within=True)
        return product.tested

    degrees = _Degrees(points.weights)
    tested = measure(degrees)
    certificate = CountedCertificate(degrees.found >= min_samples)
    certificate.tested = tested + measure(certificate)
    return certificate


class _Degrees:
    """Adds up the entities near each point."""

    def __init__(self, weights: Ints) -> None:
        self.found = weights.copy()
        self._weights = weights

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        check_deadline()
        del distance
        np.add.at(self.found, one, self._weights.take(other))
        np.add.at(self.found, other, self._weights.take(one))


class CountedCertificate:
    """Receives all near pairs and keeps those that matter.

    Attributes:
        core: Which points are core, by id; shape (points,).
        tested: Number of computed distances.
    """

    def __init__(self, core: Bools) -> None:
        self.core = core
        self.tested = 0
        self._sets = DisjointSets(len(core))
        self._room = np.empty(len(core), np.int32)
        self._kept: list[Pairs] = []

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        """Add near pairs, in either order; each shape (pairs,)."""
        check_deadline()
        a, b = np.minimum(one, other), np.maximum(one, other)
        core_a, core_b = self.core.take(a), self.core.take(b)
        both = np.flatnonzero(core_a & core_b)
        joining = both.compress(join_edges(a.take(both), b.take(both), self._sets, self._room))
        rows = np.concatenate([joining, np.flatnonzero(core_a ^ core_b)])
        self._kept.append((a.take(rows), b.take(rows), distance.take(rows)))

    def pairs(self) -> Iterator[Pairs]:
        """Smaller ids, larger ids and distances, some pairs at a time; each shape (pairs,)."""
        return (pairs for pairs in self._kept if len(pairs[0]))
