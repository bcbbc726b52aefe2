"""The condensed tree: the hierarchy without what is too small for a cluster.

Going down from the root, a cluster loses the branches with fewer than `min_cluster_size` entities. Where one
larger branch is left, that is still the same cluster; where there are more, each begins a new one, and the
cluster ends (Campello, Moulavi, Sander, PAKDD 2013; McInnes, Healy, ICDMW 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.hierarchy.tree import contested_merges, density, follow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.hierarchy.tree import Ids, Tree


@dataclass(frozen=True, slots=True)
class CondensedTree:
    """Clusters 0..clusters-1, each after all that it splits into; the last one is the root.

    Densities are inverse distances.

    Attributes:
        parent: Shape (clusters,): the cluster that each comes from; the root's is the root.
        birth: Shape (clusters,): the density at which a cluster begins; 0 for the root.
        size: Shape (clusters,), int64: entities at its birth.
        home: Shape (points,): the smallest cluster that holds each point.
        leaves_at: Shape (points,): the density at which the entities of a point leave it.
        tops: Shape (tops,): the clusters of the components that are large enough for one; only where some
            components are not joined yet. Two or more begin at an unknown density, a single one is the root.
        top_sizes: Shape (tops,), int64: entities of these components.
        contested: Merges that libraries may order differently, with different clusters.
    """

    parent: Ids
    birth: NDArray[np.float64]
    size: NDArray[np.int64]
    home: Ids
    leaves_at: NDArray[np.float64]
    tops: Ids
    top_sizes: NDArray[np.int64]
    contested: int

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def root(self) -> int:
        """The last cluster."""
        return len(self.parent) - 1


def condense(tree: Tree, min_cluster_size: int) -> CondensedTree:
    """The condensed tree; steps of whole arrays, as many as the depth has binary digits."""
    nodes = np.arange(len(tree.above), dtype=tree.above.dtype)
    big = tree.real & (tree.size >= min_cluster_size)
    contested = contested_merges(tree, big, min_cluster_size)
    large = nodes[:-1].compress(big[:-1])
    big[-1] = True  # the root is a cluster, however small
    host = follow(np.where(big, nodes, tree.above))[: tree.points]
    branches = np.bincount(tree.above.take(large), minlength=len(nodes))
    begins = np.zeros(len(nodes), np.bool_)
    begins[large] = branches.take(tree.above.take(large)) > 1
    begins[-1] = True
    cluster = np.cumsum(begins, dtype=nodes.dtype) - 1
    cluster = cluster.take(follow(np.where(begins, nodes, tree.above)))
    first = np.flatnonzero(begins)
    birth = density(tree.height.take(tree.above.take(first)))
    birth[-1] = 0.0
    tops = large.compress(tree.above.take(large) == tree.root) if tree.bridged else large[:0]
    return CondensedTree(
        parent=cluster.take(tree.above.take(first)),
        birth=birth,
        size=tree.size.take(first),
        home=cluster[: tree.points],
        leaves_at=density(tree.height.take(host)),
        tops=cluster.take(tops),
        top_sizes=tree.size.take(tops),
        contested=contested,
    )


def stabilities(tree: CondensedTree, weights: NDArray[np.unsignedinteger]) -> NDArray[np.float64]:
    """Excess of mass of each cluster, shape (clusters,): how long each entity stays in it, summed up."""
    gone = _stay(tree.leaves_at, tree.birth.take(tree.home)) * weights
    total = np.bincount(tree.home, gone, len(tree))
    parent = tree.parent[:-1]
    split = _stay(tree.birth[:-1], tree.birth.take(parent)) * tree.size[:-1]
    return np.asarray(total + np.bincount(parent, split, len(tree)), np.float64)


def highest_densities(tree: CondensedTree) -> NDArray[np.float64]:
    """The density at which each cluster ends, shape (clusters,): its last entities leave, or it splits."""
    highest = np.zeros(len(tree))
    np.maximum.at(highest, tree.home, tree.leaves_at)
    np.maximum.at(highest, tree.parent[:-1], tree.birth[:-1])
    return highest


def _stay(end: NDArray[np.float64], begin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differences of densities; none between two that are infinite."""
    with np.errstate(invalid="ignore"):
        return np.where(end == begin, 0.0, end - begin)
