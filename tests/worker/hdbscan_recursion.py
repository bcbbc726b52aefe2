"""HDBSCAN as a plain recursion over all entities: what the worker's labels are compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import assume
from scipy.cluster.hierarchy import linkage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

if TYPE_CHECKING:
    from hdbscan_days import Points


def mutual_reachability(points: Points, samples: int) -> Any:
    """Of all entities; the diagonal is 0."""
    entities = points.entities
    distance = points.distance[np.ix_(entities, entities)]
    core = np.sort(distance, axis=1)[:, samples - 1]
    reach = np.maximum(np.maximum(core[:, None], core[None, :]), distance)
    np.fill_diagonal(reach, 0)
    return reach


@dataclass
class Cluster:
    """A cluster of the plain recursion."""

    above: Cluster | None
    birth: float
    members: Any
    leaves: dict[int, float] = field(default_factory=dict)
    below: list[Cluster] = field(default_factory=list)

    @property
    def stability(self) -> float:
        """Excess of mass: for how much density each entity stays."""
        stays = [*self.leaves.values(), *(one.birth for one in self.below for _ in one.members)]
        return math.fsum(0.0 if end == self.birth else end - self.birth for end in stays)

    @property
    def end(self) -> float:
        """The density at which the last entities leave."""
        return max([*self.leaves.values(), *(one.birth for one in self.below)])

    def all(self) -> list[Cluster]:
        """This cluster and all below it."""
        return [self, *(deeper for one in self.below for deeper in one.all())]


def grow(reach: Any, size: int, cluster: Cluster) -> Cluster:
    """Take a cluster apart, at one distance after the other."""
    members = cluster.members
    while True:
        inside = reach[np.ix_(members, members)]
        if len(members) == 1:
            return cluster
        height = linkage(squareform(inside, checks=False), "single")[-1, 2]
        _, part = connected_components(csr_array(inside < height), directed=False)
        parts = [members[part == k] for k in range(part.max() + 1)]
        density = 1 / height if height > 0 else math.inf
        large = [one for one in parts if len(one) >= size]
        for one in parts:
            if len(one) < size:
                cluster.leaves |= dict.fromkeys(one.tolist(), density)
        if len(large) != 1:
            cluster.below = [grow(reach, size, Cluster(cluster, density, one)) for one in large]
            return cluster
        members = large[0]


def best_below(cluster: Cluster) -> tuple[float, list[Cluster]]:
    """Excess of mass at or below a cluster; days on which rounding decides are left out."""
    sums, chosen = (
        zip(*(best_below(one) for one in cluster.below), strict=True) if cluster.below else ((), ())
    )
    below, own = math.fsum(sums), cluster.stability
    assume(below == 0 or math.inf in (below, own) or abs(below - own) > 1e-9 * (below + own))
    return (below, list(chain(*chosen))) if below > own else (own, [cluster])


def choose(root: Cluster, algorithm: dict[str, Any]) -> list[Cluster]:
    """The clusters that the algorithm selects of a tree."""
    single, epsilon = algorithm["allow_single_cluster"], algorithm["cluster_selection_epsilon"]
    if algorithm["cluster_selection_method"] == "leaf":
        chosen = [one for one in root.all() if not one.below and one is not root]
    elif single:
        chosen = best_below(root)[1]
    else:
        chosen = list(chain(*(best_below(one)[1] for one in root.below)))
    if epsilon == 0 or chosen == [root]:
        return chosen
    lifted = {id(one): one for one in (lift(one, root, epsilon, single=single) for one in chosen)}
    return list(lifted.values())


def lift(cluster: Cluster, root: Cluster, epsilon: float, *, single: bool) -> Cluster:
    """The cluster that epsilon makes of a selected one."""
    assume(all(abs(1 / one.birth - epsilon) > 1e-9 for one in root.all() if 0 < one.birth < math.inf))
    if 1 / cluster.birth >= epsilon:
        return cluster
    while cluster.above is not root and cluster.above is not None:
        cluster = cluster.above
        if 1 / cluster.birth > epsilon:
            return cluster
    return root if single else cluster


def plain_hdbscan(points: Points, algorithm: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and probabilities of all entities: equal distances merge at once, whatever the order."""
    size = algorithm["min_cluster_size"]
    samples = algorithm["min_samples"] or size
    count = int(points.weights.sum())
    labels, probability = np.full(count, -1), np.zeros(count)
    if count < samples or count == 1:
        return labels, probability
    root = grow(mutual_reachability(points, samples), size, Cluster(None, 0.0, np.arange(count)))
    chosen = choose(root, algorithm)
    epsilon = algorithm["cluster_selection_epsilon"]
    for number, cluster in enumerate(chosen):
        end = cluster.end
        for one in cluster.all():
            for entity, density in one.leaves.items():
                if cluster is root and density < (1 / epsilon if epsilon else end):
                    continue
                labels[entity] = number
                probability[entity] = 1.0 if density == math.inf else min(density, end) / end
    return labels, probability
