"""Single linkage cut at a distance: two points share a cluster when a chain of pairs so near joins them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract.messages import NotNegative, Parameters
from lambda_worker.graph.union_find import DisjointSets, number_sets
from lambda_worker.tables.labels import MEMBER_ROLE, Labels

if TYPE_CHECKING:
    from lambda_worker.graph.pairs import CandidateGraph


class SingleLinkage(Parameters, frozen=True):
    """One pass over the pairs, or over minimum forests of them. Every point is a member of a cluster.

    Attributes:
        threshold: Merges at most this far apart are made, as by `scipy.cluster.hierarchy.fcluster` with the
            criterion `distance`. None makes all that the pairs allow.
    """

    threshold: NotNegative | None

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
        return Labels(cluster, np.full(graph.point_count, MEMBER_ROLE), clusters)


class ConnectedComponents(Parameters, frozen=True):
    """Two points share a cluster when a chain of near pairs joins them: single linkage by all pairs."""

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Components numbered by their smallest point id."""
        return SingleLinkage(threshold=None).cluster(graph)
