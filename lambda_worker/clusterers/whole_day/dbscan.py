"""DBSCAN (Ester et al., KDD 1996) from near pairs, equal number for number to scikit-learn's.

scikit-learn visits core samples in ascending order and floods each cluster before the next, so a
cluster's number is the rank of its smallest core id, and a border sample keeps the first, hence
lowest, cluster that reaches it. Both follow from a union-find whose root is the smallest id.
A point represents `weight` equal entities and is numbered by the first one, so the numbers of
points are those of the day's entities in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.contract.messages import CountFrom1, Parameters
from lambda_worker.graph.degrees import add_neighbours
from lambda_worker.graph.union_find import DisjointSets, number_sets
from lambda_worker.kernel import loaded
from lambda_worker.tables.labels import BORDER_ROLE, CORE_ROLE, NOISE, NOISE_ROLE, Labels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Ints, SignedInts
    from lambda_worker.graph.pairs import CandidateGraph


class Dbscan(Parameters, frozen=True):
    """Three passes over the pairs: degrees, core-core unions, borders.

    Attributes:
        min_samples: Entities within the threshold, the point's own included, that make it core.
    """

    min_samples: CountFrom1

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Clusters numbered by their smallest core point; noise is -1."""
        core = core_points(graph, self.min_samples)
        cluster, clusters = number_sets(_core_roots(graph, core), core)
        if not core.all():
            label_borders(graph.pairs, core, cluster, clusters)
        role = np.where(core, CORE_ROLE, np.where(cluster == NOISE, NOISE_ROLE, BORDER_ROLE))
        return Labels(cluster, role, clusters)


def core_points(graph: CandidateGraph, min_samples: int) -> Bools:
    """Which points have `min_samples` entities within the threshold; shape (points,).

    A certificate lists too few pairs to count, and names the cores instead.
    """
    if graph.known_core is not None:
        return graph.known_core
    degree = graph.weights.astype(np.int64)
    add_neighbours(degree, graph.weights, graph.pairs)
    core: Bools = degree >= min_samples
    return core


def _core_roots(graph: CandidateGraph, core: Bools) -> SignedInts:
    sets = DisjointSets(graph.point_count)
    if core.any():
        for a, b in graph.pairs.batches():
            sets.unite_cores(a, b, core)
    return sets.roots()


class _StreamsPairs(Protocol):
    """Near pairs that can be read again and again."""

    def batches(self) -> Iterator[tuple[Ints, Ints]]:
        """Pass over all pairs once."""
        ...


def label_borders(pairs: _StreamsPairs, core: Bools, cluster: SignedInts, clusters: int) -> None:
    """Fill in the points that are not core: the lowest cluster of a core neighbour, or noise.

    Args:
        pairs: The near pairs.
        core: Shape (points,).
        cluster: Shape (points,): the cluster of each core point; the others are filled in.
        clusters: Number of clusters.
    """
    unreached = clusters  # above every cluster number, so that the minimum replaces it
    cluster[~core] = unreached
    kernel = loaded() if cluster.dtype == np.int32 else None
    if clusters:
        for a, b in pairs.batches():
            if kernel is not None:
                kernel.call.lower_borders(cluster, core, a, b, len(a))
            else:
                _lower(cluster, core, a, b)
                _lower(cluster, core, b, a)
    cluster[cluster == unreached] = NOISE


def _lower(cluster: SignedInts, core: Bools, inner: Ints, outer: Ints) -> None:
    reached = core[inner] & ~core[outer]
    np.minimum.at(cluster, outer[reached], cluster[inner[reached]])
