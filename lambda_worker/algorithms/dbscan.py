"""DBSCAN (Ester et al., KDD 1996) from near pairs, equal number for number to scikit-learn's.

scikit-learn visits core samples in ascending order and floods each cluster before the next, so a
cluster's number is the rank of its smallest core id, and a border sample keeps the first, hence
lowest, cluster that reaches it. Both follow from a union-find whose root is the smallest id.
Points stand for `weight` equal entities and are numbered by their first one, so the numbers on
points are the numbers on the day's entities in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.degrees import add_neighbours
from lambda_worker.kernel import loaded
from lambda_worker.labels import BORDER_ROLE, CORE_ROLE, NOISE, NOISE_ROLE, Labels
from lambda_worker.union_find import DisjointSets, number_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.graph import CandidateGraph


@dataclass(frozen=True, slots=True)
class Dbscan:
    """Three passes over the pairs: degrees, core-core unions, borders.

    Attributes:
        min_samples: Entities within the threshold, the point's own included, that make it core.
    """

    min_samples: int

    def __post_init__(self) -> None:
        value: object = self.min_samples  # straight from JSON: the annotation is a wish
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ContractError(f"min_samples must be a whole number >= 1, not {value!r}")

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Clusters numbered by their smallest core point; noise is -1."""
        core = core_points(graph, self.min_samples)
        cluster, clusters = number_sets(_core_roots(graph, core), core)
        if not core.all():
            _label_borders(graph, core, cluster, clusters)
        role = np.where(core, CORE_ROLE, np.where(cluster == NOISE, NOISE_ROLE, BORDER_ROLE))
        return Labels(cluster, role, clusters)


def core_points(graph: CandidateGraph, min_samples: int) -> NDArray[np.bool_]:
    """Which points have `min_samples` entities within the threshold; shape (points,).

    A certificate lists too few pairs to count, and names the cores instead.
    """
    if graph.known_core is not None:
        return graph.known_core
    degree = graph.weights.astype(np.int64)
    add_neighbours(degree, graph.weights, graph.pairs)
    core: NDArray[np.bool_] = degree >= min_samples
    return core


def _core_roots(graph: CandidateGraph, core: NDArray[np.bool_]) -> NDArray[np.signedinteger]:
    sets = DisjointSets(graph.point_count)
    if core.any():
        for a, b in graph.pairs.batches():
            sets.unite_cores(a, b, core)
    return sets.roots()


def _label_borders(
    graph: CandidateGraph, core: NDArray[np.bool_], cluster: NDArray[np.signedinteger], clusters: int
) -> None:
    """Fill in the points that are not core: the lowest cluster of a core neighbour, or noise."""
    unreached = clusters  # above every cluster number, so that the minimum replaces it
    cluster[~core] = unreached
    kernel = loaded() if cluster.dtype == np.int32 else None
    if clusters:
        for a, b in graph.pairs.batches():
            if kernel is not None:
                kernel.call.lower_borders(cluster, core, a, b, len(a))
            else:
                _lower(cluster, core, a, b)
                _lower(cluster, core, b, a)
    cluster[cluster == unreached] = NOISE


def _lower(
    cluster: NDArray[np.signedinteger],
    core: NDArray[np.bool_],
    inner: NDArray[np.int64],
    outer: NDArray[np.int64],
) -> None:
    reached = core[inner] & ~core[outer]
    np.minimum.at(cluster, outer[reached], cluster[inner[reached]])
