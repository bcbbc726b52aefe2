"""The condensed tree: the hierarchy without branches that are too small for a cluster.

Going down from the root, a cluster loses the branches with fewer than `min_cluster_size` entities. If one
larger branch remains, it continues the same cluster; if there are more, each starts a new cluster, and the
old one ends (Campello, Moulavi, Sander, PAKDD 2013; McInnes, Healy, ICDMW 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.contested import contested_merges
from lambda_worker.clusterers.hdbscan.tree import density, follow
from lambda_worker.contract import InputError

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Floats, Ints, SignedInts
    from lambda_worker.clusterers.hdbscan.tree import Tree


@dataclass(frozen=True, slots=True)
class CondensedTree:
    """Clusters 0..clusters-1, each after the clusters it splits into; the last one is the root.

    Densities are inverse distances.

    Attributes:
        parent: Shape (clusters,): the cluster that each was split from; the root is its own parent.
        birth: Shape (clusters,): the density at which a cluster begins; 0 for the root.
        size: Shape (clusters,), int64: entities at its birth.
        home: Shape (points,): the smallest cluster that holds each point.
        leaves_at: Shape (points,): the density at which the entities of a point leave it.
        tops: Shape (tops,): the clusters of the large components, if some components are not joined yet.
            Two or more begin at an unknown density; a single one is the root.
        top_sizes: Shape (tops,), int64: entities of these components.
        contested: Merges that libraries may order differently, with different clusters.
    """

    parent: SignedInts
    birth: Floats
    size: Ints
    home: SignedInts
    leaves_at: Floats
    tops: SignedInts
    top_sizes: Ints
    contested: int

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def root(self) -> int:
        """The last cluster."""
        return len(self.parent) - 1


def condense(tree: Tree, min_cluster_size: int) -> CondensedTree:
    """Condense a tree by operations on whole arrays, O(log depth) of them."""
    contested = contested_merges(tree, min_cluster_size)
    nodes = np.arange(len(tree.above), dtype=tree.above.dtype)
    big = tree.real & (tree.size >= min_cluster_size)
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


def stabilities(tree: CondensedTree, weights: AnyInts) -> Floats:
    """Return the excess of mass of each cluster, shape (clusters,): the sum of the stays of its entities."""
    gone = _stay(tree.leaves_at, tree.birth.take(tree.home)) * weights
    total = np.bincount(tree.home, gone, len(tree))
    parent = tree.parent[:-1]
    split = _stay(tree.birth[:-1], tree.birth.take(parent)) * tree.size[:-1]
    return np.asarray(total + np.bincount(parent, split, len(tree)), np.float64)


def highest_densities(tree: CondensedTree) -> Floats:
    """Return the density at which each cluster splits or loses its last entities, shape (clusters,)."""
    highest = np.zeros(len(tree))
    np.maximum.at(highest, tree.home, tree.leaves_at)
    np.maximum.at(highest, tree.parent[:-1], tree.birth[:-1])
    return highest


def tree_rows(tree: CondensedTree, weights: AnyInts, farthest: float) -> tuple[Ints, Ints, Floats, Ints]:
    """Return parent, child, distance and entities of each point and then of each cluster but the root.

    Args:
        tree: The tree.
        weights: Shape (points,), entities of each point.
        farthest: Replaces larger distances, which are unknown.
    """
    points = len(tree.home)
    number = points + tree.root - np.arange(len(tree))  # the root first
    with np.errstate(divide="ignore"):
        distance = np.minimum(1.0 / np.concatenate([tree.leaves_at, tree.birth[-2::-1]]), farthest)
    return (
        np.concatenate([number.take(tree.home), number.take(tree.parent[-2::-1])]),
        np.concatenate([np.arange(points), number[-2::-1]]),
        distance,
        np.concatenate([weights.astype(np.int64), tree.size[-2::-1]]),
    )


def tree_of_rows(rows: tuple[Ints, Ints, Floats, Ints], weights: AnyInts) -> CondensedTree:
    """Return the tree that `tree_rows` describes; the densities have the same bits if none was replaced.

    1/x rounded three times is 1/x rounded once: the first result has at most as many values as the second can
    tell apart. Components that are not joined yet are separate clusters below the root.

    Args:
        rows: Parent, child, distance and entities, in any order.
        weights: Shape (points,), entities of each point; at least one point.

    Raises:
        InputError: The rows are not those of a tree of the points.
    """
    order = np.argsort(rows[1], kind="stable")
    parent, child, entities = (column.take(order) for column in (rows[0], rows[1], rows[3]))
    distance = rows[2].take(order)
    points = len(weights)
    root = len(child) - points
    expected = np.arange(len(child))
    expected[points:] += 1
    if root < 0 or not np.array_equal(child, expected):
        raise InputError(
            f"the table condensed_tree does not list each of the {points} points and clusters once"
        )
    if not bool(((parent >= points) & (parent <= points + root)).all() and (parent < child)[points:].all()):
        raise InputError("the table condensed_tree has a parent that is not a cluster above its child")
    above = points + root - parent
    nothing = np.empty(0, np.int64)
    return CondensedTree(
        parent=np.append(above[points:][::-1], root),
        birth=np.append(density(distance[points:][::-1]), 0.0),
        size=np.append(entities[points:][::-1], weights.sum(dtype=np.int64)),
        home=above[:points],
        leaves_at=density(distance[:points]),
        tops=nothing,
        top_sizes=nothing,
        contested=0,
    )


def _stay(end: Floats, begin: Floats) -> Floats:
    """Differences of densities; 0 between two infinite ones."""
    with np.errstate(invalid="ignore"):
        return np.where(end == begin, 0.0, end - begin)
