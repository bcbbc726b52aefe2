"""Connected components: two points share a cluster when a chain of near pairs joins them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.labels import MEMBER_ROLE, Labels
from lambda_worker.union_find import DisjointSets, number_sets

if TYPE_CHECKING:
    from lambda_worker.graph import CandidateGraph


@dataclass(frozen=True, slots=True)
class ConnectedComponents:
    """One pass over the pairs. Every point is a member of a cluster; there is no noise."""

    def cluster(self, graph: CandidateGraph) -> Labels:
        """Components numbered by their smallest point id."""
        sets = DisjointSets(graph.point_count)
        for a, b in graph.pairs.batches():
            sets.unite(a, b)
        cluster, clusters = number_sets(sets.roots())
        role = np.full(graph.point_count, MEMBER_ROLE, dtype=np.uint8)
        return Labels(cluster, role, clusters)
