"""The n-ary hierarchy of a day: what merges at one distance merges at once.

Mutual reachabilities tie often: every pair near a point weighs as much as the point's core distance. A tree
of two branches each then depends on the order in which a library happens to take them. Here all merges of
equal distance that touch are one node with many branches, so that the tree is a function of the distances.
A point of weight w >= 2 is w entities that merge at the point's core distance.

Points that nothing joins within the radius hang on a root at an infinite distance.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline
from lambda_worker.forests.dendrogram import build_dendrogram
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.forests.minimum import Edges

    Ids = NDArray[np.signedinteger]

# No distance: one entity never comes apart.
_WHOLE = -1.0


@dataclass(frozen=True, slots=True)
class Tree:
    """Points are nodes 0..points-1, merges are above; a node comes after all below it, the root is last.

    Attributes:
        points: Number of points.
        real: Shape (nodes,): false for merges, and entities of points, that belong to the node above.
        above: Shape (nodes,): the real node above each; the root's is the root.
        height: Shape (nodes,): distance at which a node comes apart; below 0 for one entity.
        size: Shape (nodes,), int64: entities.
        bridged: Whether the root joins what the pairs do not.
    """

    points: int
    real: NDArray[np.bool_]
    above: Ids
    height: NDArray[np.float64]
    size: NDArray[np.int64]
    bridged: bool

    @property
    def root(self) -> int:
        """The last node."""
        return len(self.above) - 1


def draw_tree(forest: Edges, weights: NDArray[np.unsignedinteger], core: NDArray[np.float64]) -> Tree:
    """The hierarchy of a forest by mutual reachability.

    Args:
        forest: Edges ascending by (distance, a, b), no two of them on a cycle.
        weights: Shape (points,), at least one point.
        core: Shape (points,): core distances, infinite where there is none.
    """
    points, merges = len(weights), len(forest)
    left, right, distance, _ = build_dendrogram(forest, points)
    check_deadline()
    bridged = points - merges > 1
    nodes = points + merges + bridged
    parent = np.full(nodes, nodes - 1, index_type(nodes))
    made = np.arange(points, points + merges, dtype=parent.dtype)
    parent[left] = parent[right] = made
    height = np.full(nodes, np.inf)
    height[:points] = np.where(weights > 1, core, _WHOLE)
    height[points : points + merges] = distance
    size = _sizes(weights, left, right, bridged=bridged)
    check_deadline()
    joined = height == height.take(parent)
    joined[-1] = False
    top = follow(np.where(joined, parent, np.arange(nodes, dtype=parent.dtype)))
    return Tree(points, ~joined, top.take(parent), height, size, bridged)


def follow(link: Ids) -> Ids:
    """Where each chain of links ends; ends link to themselves. Chains halve with every step."""
    while True:
        further = link.take(link)
        if np.array_equal(further, link):
            return link
        link = further


def density(height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lambda, the inverse of a distance; infinite at distance 0 and for one entity."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(height > 0, 1.0 / height, np.inf)


def contested_merges(tree: Tree, big: NDArray[np.bool_], min_cluster_size: int) -> int:
    """Nodes of which trees of two branches each may make different clusters, as their merges are ordered.

    With two branches there is one order. With more, the order counts where two or more are large enough for
    a cluster (which of them takes a small one along, and which of them are one for a while?), or where some
    that are not may become so together before they meet the rest. Otherwise all small ones leave the same
    cluster at the same density, whatever the order.

    Args:
        tree: The hierarchy.
        big: Shape (nodes,): real nodes with at least `min_cluster_size` entities.
        min_cluster_size: Of a cluster.
    """
    nodes = len(tree.above)
    branches = np.bincount(tree.above[:-1].compress(tree.real[:-1]), minlength=nodes)
    split = tree.height[: tree.points] >= 0
    own = np.flatnonzero(split & tree.real[: tree.points])
    inside = np.flatnonzero(split & ~tree.real[: tree.points])
    branches[own] = tree.size.take(own)
    np.add.at(branches, tree.above.take(inside), tree.size.take(inside))
    rows = np.flatnonzero(big[:-1])
    large = np.bincount(tree.above.take(rows), minlength=nodes)
    rest = tree.size.copy()
    np.subtract.at(rest, tree.above.take(rows), tree.size.take(rows))
    contested = (large >= 2) | ((large == 1) & (rest >= min_cluster_size))
    contested |= (large == 0) & (rest >= 2 * min_cluster_size)
    contested &= (branches > 2) & tree.real
    return int(np.count_nonzero(contested[: tree.root + (not tree.bridged)]))


def _sizes(
    weights: NDArray[np.unsignedinteger], left: Ids, right: Ids, *, bridged: bool
) -> NDArray[np.int64]:
    size = array("q", weights.astype(np.int64).tobytes())
    code = "i" if left.dtype == np.int32 else "q"
    for one, two in zip(array(code, left.tobytes()), array(code, right.tobytes()), strict=True):
        size.append(size[one] + size[two])
    if bridged:
        size.append(int(weights.sum(dtype=np.int64)))
    return np.frombuffer(size, np.int64)
