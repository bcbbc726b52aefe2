"""HDBSCAN as a plain recursion over all entities: what the worker's labels are compared with.

Merges at one distance follow the declared rule: from the largest cluster outwards, the larger neighbours
first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import assume

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


@dataclass(eq=False)
class Node:
    """Entities, and the two nodes that merged into them."""

    members: list[int]
    height: float = 0.0
    parts: tuple[Node, ...] = ()


def merge(one: Node, two: Node, height: float) -> Node:
    """The node that two nodes make."""
    return Node(one.members + two.members, height, (one, two))


def spanning_edges(reach: Any, points: Any) -> list[tuple[float, int, int]]:
    """Kruskal's algorithm over all pairs of points, given the rows of their first entities."""
    pairs = sorted((reach[i, j], i, j) for i, j in combinations(points, 2))
    root = {point: point for point in points}
    kept = []
    for height, i, j in pairs:
        if root[i] != root[j]:
            kept.append((height, i, j))
            root = {point: root[i] if at == root[j] else at for point, at in root.items()}
    return kept


def single_linkage(reach: Any, entities: Any) -> Node:
    """The whole hierarchy: entities of a point first, then points, one merge after the other."""
    first = [int(np.flatnonzero(entities == point)[0]) for point in np.unique(entities)]
    edges = spanning_edges(reach, first)
    nodes = {}
    for row in first:
        equals = np.flatnonzero(entities == entities[row]).tolist()
        nodes[row] = Node([row])
        for equal in equals[1:]:
            nodes[row] = merge(nodes[row], Node([equal]), reach[row, equal])
    while edges:
        height = edges[0][0]
        tied = [(i, j) for one, i, j in edges if one == height]
        edges = edges[len(tied) :]
        while tied:
            ends = [nodes[i] for edge in tied for i in edge]
            blob = max(ends, key=lambda node: (len(node.members), -min(node.members)))
            while near := [edge for edge in tied if blob in (nodes[edge[0]], nodes[edge[1]])]:
                others = {e: nodes[e[0]] if nodes[e[1]] is blob else nodes[e[1]] for e in near}
                chosen = max(near, key=lambda e: (len(others[e].members), -e[0], -e[1]))
                tied.remove(chosen)
                blob = merge(blob, others[chosen], height)
                nodes |= {row: blob for row in first if row in blob.members}
    return nodes[first[0]]


def grow(node: Node, size: int, cluster: Cluster) -> Cluster:
    """Take a cluster apart, one merge after the other."""
    while node.parts:
        density = 1 / node.height if node.height > 0 else math.inf
        large = [part for part in node.parts if len(part.members) >= size]
        for part in node.parts:
            if len(part.members) < size:
                cluster.leaves |= dict.fromkeys(part.members, density)
        if len(large) != 1:
            cluster.below = [
                grow(part, size, Cluster(cluster, density, np.array(part.members))) for part in large
            ]
            return cluster
        node = large[0]
    return cluster


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
    """Labels and probabilities of all entities."""
    size = algorithm["min_cluster_size"]
    samples = algorithm["min_samples"] or size
    count = int(points.weights.sum())
    labels, probability = np.full(count, -1), np.zeros(count)
    if count < samples or count == 1:
        return labels, probability
    tree = single_linkage(mutual_reachability(points, samples), points.entities)
    root = grow(tree, size, Cluster(None, 0.0, np.arange(count)))
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
