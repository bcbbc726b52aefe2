"""Agglomerative clustering, cut at a distance, one component of the threshold graph at a time.

The rule is that of scikit-learn's AgglomerativeClustering with `distance_threshold=t, n_clusters=None`: all
merges at heights below t are made, and none at t or above. A point of weight w is w equal entities. These
merge first, at height 0, so a hierarchy may start from points of these sizes.

Why merges below t stay inside components of the graph of pairs within t. Let A and B be clusters in different
components, so that every pair of an entity of A and one of B is further apart than t.
  single, complete, average: the height of their merge is the least, the largest or the mean of those
  distances, so it is above t.
  ward: the height h satisfies h^2 = 2 |A| |B| / (|A| + |B|) * |a - b|^2, where a and b are the means, and a
  merge adds h^2 / 2 to the sum of squares around the means. Suppose that all merges so far were below t. A
  needed |A| - 1 of them, so its sum of squares is at most (|A| - 1) t^2 / 2; the same holds for B. The mean
  of the squared distances between A and B is |a - b|^2 plus the mean squares around both means, so at most
      h^2 (1 / |A| + 1 / |B|) / 2 + t^2 (1 - 1 / |A|) / 2 + t^2 (1 - 1 / |B|) / 2.
  This mean is above t^2, hence h > t (with h <= t the bound would be t^2).
So the first merge across components is above t. Up to that point, merges in one component change no height in
another, and each component can be clustered independently.

`lambda_worker.graph.chains` finds the merges, and says which of them are contested.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.components import ComponentLabels
from lambda_worker.contract import ContractError
from lambda_worker.contract.components import Linkage
from lambda_worker.contract.messages import Parameters
from lambda_worker.graph.chains import is_close, merges_below
from lambda_worker.graph.hierarchies import DistanceMatrix, Means
from lambda_worker.graph.union_find import BLOCK_IDS, DisjointSets, number_sets
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.labels import MEMBER_ROLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import AnyInts, Ints
    from lambda_worker.clusterers.components import Component, Space
    from lambda_worker.graph.hierarchies import Hierarchy


_WARD_KINDS = ("vector", "embedding")


class Agglomerative(Parameters, frozen=True):
    """Merges at heights below the threshold. Every point is a member of a cluster; there is no noise.

    Attributes:
        linkage: What counts as the height of a merge.
    """

    linkage: Linkage

    def cluster(self, component: Component, space: Space) -> ComponentLabels:
        """Label the points of one component.

        Complete and average linkage take 8 bytes of memory for each pair of points, the others O(points). A
        merge takes O(points) time, with Ward's linkage O(points * dimensions).

        Raises:
            ContractError: Ward's linkage needs Euclidean vectors, and there are none.
        """
        if self.linkage == "ward" and (space.kind not in _WARD_KINDS or space.metric != "euclidean"):
            raise ContractError(
                f"linkage ward is for euclidean vectors or embeddings, not {space.metric} of the kind "
                f"{space.kind}; use average, complete or single"
            )
        if len(component) == 2:  # most components, so take a shortcut
            height = _pair_height(self.linkage, component)
            contested = int(self.linkage == "ward" and is_close(height, space.threshold))
            return _members(np.array([0, height >= space.threshold], np.int64), contested)
        sets = DisjointSets(len(component))
        contested = 0
        if self.linkage == "single":
            for a, b in _near_pairs(component, space):
                sets.unite(a, b)
        else:
            # Infinite heights never merge, whether the distance is infinite or its square overflows.
            with np.errstate(over="ignore"):
                hierarchy = _hierarchy(self.linkage, component, space)
                merges, contested = merges_below(space.threshold, hierarchy, len(component))
            slots = np.array(merges, np.intp).reshape(-1, 2)
            sets.unite(slots[:, 0], slots[:, 1])
        cluster, _ = number_sets(sets.roots())
        return _members(cluster.astype(np.int64), contested)

    def cluster_single(self, weights: Ints) -> ComponentLabels:
        """Label components of one point each: each point is a cluster."""
        return _members(np.zeros(len(weights), np.int64))


def _near_pairs(component: Component, space: Space) -> Iterator[tuple[AnyInts, AnyInts]]:
    """Yield the pairs below the threshold in blocks; single linkage merges them in any order."""
    for start in range(0, len(component.a), BLOCK_IDS):
        part = slice(start, start + BLOCK_IDS)
        near = np.flatnonzero(component.distance[part] < space.threshold)
        yield component.a[part].take(near), component.b[part].take(near)


def _pair_height(linkage: str, component: Component) -> float:
    """The height of the merge of two points."""
    height = float(component.distance[0])
    if linkage == "ward":
        one, other = map(float, component.weights)
        height *= math.sqrt(2.0 * one * other / (one + other))
    return height


def _hierarchy(linkage: Linkage, component: Component, space: Space) -> Hierarchy:
    if linkage == "ward":
        return Means(component.features.vectors, component.weights)
    if linkage == "average":
        return DistanceMatrix(pairwise(component.features, space.metric), component.weights, linkage)
    # Clusters that hold a pair of points beyond the threshold never merge, so the near pairs are enough.
    matrix = np.full((len(component), len(component)), np.inf)
    matrix[component.a, component.b] = matrix[component.b, component.a] = component.distance
    return DistanceMatrix(matrix, component.weights, linkage)


def _members(cluster: Ints, contested: int = 0) -> ComponentLabels:
    return ComponentLabels(cluster, np.full(len(cluster), MEMBER_ROLE, np.uint8), contested=contested)
