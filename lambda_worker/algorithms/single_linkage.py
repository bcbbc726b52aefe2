"""Single linkage cut at a distance: two points share a cluster when a chain of pairs so near joins them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.labels import MEMBER_ROLE, Labels
from lambda_worker.union_find import DisjointSets, number_sets

if TYPE_CHECKING:
    from lambda_worker.graph import CandidateGraph


@dataclass(frozen=True, slots=True)
class SingleLinkage:
    """One pass over the pairs, or over minimum forests of them. Every point is a member of a cluster.

    Attributes:
        threshold: Merges at most this far apart are made, as by `scipy.cluster.hierarchy.fcluster` with the
            criterion `distance`. None makes all that the pairs allow.
    """

    threshold: float | None

    def __post_init__(self) -> None:
        value: object = self.threshold  # straight from JSON: the annotation is a wish
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise ContractError(f"threshold must be a number >= 0 or null, not {value!r}")

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Clusters numbered by their smallest point id."""
        sets = DisjointSets(graph.point_count)
        if self.threshold is None:
            for a, b in graph.pairs.batches():
                sets.unite(a, b)
        else:
            for a, b, distance in graph.pairs.weighted_batches():
                near = np.flatnonzero(distance <= self.threshold)
                sets.unite(a.take(near), b.take(near))
        cluster, clusters = number_sets(sets.roots())
        role = np.full(graph.point_count, MEMBER_ROLE, dtype=np.uint8)
        return Labels(cluster, role, clusters)
