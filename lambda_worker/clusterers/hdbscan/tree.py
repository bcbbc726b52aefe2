"""The hierarchy of a day: two clusters merge at a time.

Merges at one distance are ordered by `lambda_worker.graph.ties`, so that the tree follows from the distances.
A point of weight w >= 2 is w entities that merge at the point's core distance, before anything else does.

Points that are not joined within the radius are attached to a root at an infinite distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.graph.dendrogram import build_dendrogram
from lambda_worker.graph.ties import larger_first
from lambda_worker.graph.union_find import index_type
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Bools, Floats, Ints, SignedInts
    from lambda_worker.graph.minimum import Edges


# Not a distance: a single entity never splits.
_WHOLE = -1.0


@dataclass(frozen=True, slots=True)
class Tree:
    """Points are nodes 0..points-1, merges are above; a node comes after all below it, the root is last.

    Attributes:
        points: Number of points.
        real: Shape (nodes,): false for entities of points without a core distance, which belong to the root.
        above: Shape (nodes,): the node above each; the root's is the root.
        height: Shape (nodes,): distance at which a node comes apart; below 0 for one entity.
        size: Shape (nodes,), int64: entities.
        bridged: Whether the root joins what the pairs do not.
    """

    points: int
    real: Bools
    above: SignedInts
    height: Floats
    size: Ints
    bridged: bool

    @property
    def root(self) -> int:
        """The last node."""
        return len(self.above) - 1


def draw_tree(forest: Edges, weights: AnyInts, core: Floats) -> Tree:
    """The hierarchy of a forest by mutual reachability.

    Args:
        forest: Edges ascending by (distance, a, b), no two of them on a cycle.
        weights: Shape (points,), at least one point.
        core: Shape (points,): core distances, infinite where there is none.
    """
    points, merges = len(weights), len(forest)
    ordered = larger_first(forest, weights)
    check_deadline()
    left, right, distance, made = build_dendrogram(ordered, points, weights)
    check_deadline()
    bridged = points - merges > 1
    nodes = points + merges + bridged
    parent = np.full(nodes, nodes - 1, index_type(nodes))
    parent[left] = parent[right] = np.arange(points, points + merges, dtype=parent.dtype)
    height = np.full(nodes, np.inf)
    height[:points] = np.where(weights > 1, core, _WHOLE)
    height[points : points + merges] = distance
    size = np.concatenate([weights.astype(np.int64), made])
    if bridged:
        size = np.append(size, weights.sum(dtype=np.int64))
    # What no known distance joins comes apart at once.
    real = (height < np.inf) | (parent == np.arange(nodes))
    return Tree(points, real, parent, height, size, bridged)


def follow(link: SignedInts) -> SignedInts:
    """Return the end of each chain of links; ends link to themselves. Every step halves the chains."""
    while True:
        further = link.take(link)
        if np.array_equal(further, link):
            return link
        link = further


def density(height: Floats) -> Floats:
    """Lambda, the inverse of a distance; infinite at distance 0 and for one entity."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.where(height > 0, 1.0 / height, np.inf)
