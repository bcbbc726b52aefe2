"""Merges of equal distance whose order matters: libraries may order them differently, with other clusters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lambda_worker.clusterers.hdbscan.tree import Tree, follow


def contested_merges(tree: Tree, min_cluster_size: int) -> int:
    """Count the nodes whose clusters may depend on the order in which two branches merge at a time.

    With two branches there is one order. With more, the order counts where two or more are large enough for
    a cluster (which of them takes a small one along, and which of them are one for a while?), or where some
    that are not may become so together before they meet the rest. Otherwise all small ones leave the same
    cluster at the same density, whatever the order.

    Args:
        tree: The hierarchy.
        min_cluster_size: Of a cluster.
    """
    tree = _join_equal(tree)
    nodes = len(tree.above)
    big = tree.real & (tree.size >= min_cluster_size)
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


def _join_equal(tree: Tree) -> Tree:
    """Return the tree in which merges of one distance that touch are one node of many branches."""
    joined = tree.height == tree.height.take(tree.above)
    joined[-1] = False
    own = np.arange(len(joined), dtype=tree.above.dtype)
    top = follow(np.where(joined, tree.above, own))
    return replace(tree, real=~joined, above=top.take(tree.above))
