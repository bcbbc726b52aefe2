"""Selection of clusters from the condensed tree, and the probability that a point belongs to its cluster.

The rules are those of scikit-learn: excess of mass (Campello, Moulavi, Zimek, Sander, TKDD 2015) or leaves;
then clusters that split below an epsilon stay together (Malzer, Baum, MFI 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.condensed import highest_densities
from lambda_worker.clusterers.hdbscan.parameters import EOM
from lambda_worker.tables.labels import NOISE, member_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_worker.arrays import Bools, Floats, Ints
    from lambda_worker.clusterers.hdbscan.condensed import CondensedTree
    from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
    from lambda_worker.tables.labels import Labels


@dataclass(frozen=True, slots=True)
class Selection:
    """The clusters that are selected.

    Attributes:
        selected: Shape (clusters,).
        within: Shape (clusters,): the largest sum of stabilities of clusters below each; 0 when it never
            splits.
    """

    selected: Bools
    within: Floats


def select_clusters(tree: CondensedTree, stability: Floats, parameters: Hdbscan) -> Selection:
    """Select clusters, in one or two microseconds of plain Python per cluster of the tree."""
    parent = tree.parent.tolist()
    kept, within = _excess_of_mass(parent, stability.tolist())
    if parameters.cluster_selection_method == EOM:
        kept[-1] = kept[-1] and parameters.allow_single_cluster
        selected = _uppermost(parent, kept)
    else:
        selected = _leaves(parent)
    if parameters.cluster_selection_epsilon > 0 and not selected[-1]:
        selected = _merge_near(tree, selected, parameters)
    return Selection(np.array(selected, np.bool_), np.array(within))


def label_points(tree: CondensedTree, selection: Selection, parameters: Hdbscan) -> Labels:
    """Labels and probabilities of all points; clusters are numbered by their smallest point."""
    owner = owners(tree, selection).take(tree.home)
    highest = highest_densities(tree)
    if selection.selected[-1]:
        least = density_in_root(selection, parameters, float(highest[-1]))
        owner[(owner == tree.root) & ~(tree.leaves_at >= least)] = NOISE
    inside = np.flatnonzero(owner != NOISE)
    owner_inside, leaves_at = owner.take(inside), tree.leaves_at.take(inside)
    probability = np.zeros(len(owner))
    probability[inside] = strength(leaves_at, highest.take(owner_inside))
    return member_labels(owner, probability)


def strength(leaves_at: Floats, highest: Floats) -> Floats:
    """Return probabilities of members from the densities at which they leave, and at which clusters end."""
    sure = (highest == 0) | np.isinf(leaves_at)
    with np.errstate(invalid="ignore"):
        return np.where(sure, 1.0, np.minimum(leaves_at, highest) / np.where(highest == 0, 1.0, highest))


def density_in_root(selection: Selection, parameters: Hdbscan, highest: float) -> float:
    """Return the density that members of the root need if it is selected; none is high enough beside others.

    Every point is below the root, so scikit-learn requires a density: that of the epsilon, or else the one at
    which the root ends.
    """
    if np.count_nonzero(selection.selected) > 1:
        return np.nan
    epsilon = parameters.cluster_selection_epsilon
    return 1 / epsilon if epsilon else highest


def _excess_of_mass(parent: Sequence[int], stability: Sequence[float]) -> tuple[list[bool], list[float]]:
    """Return which clusters are at least as stable as the best below them, and that best stability."""
    kept, within = [], [0.0] * len(parent)
    for cluster, own in enumerate(stability):
        below = within[cluster]
        kept.append(not below > own)
        if parent[cluster] != cluster:
            within[parent[cluster]] += max(own, below)
    return kept, within


def _uppermost(parent: Sequence[int], kept: Sequence[bool]) -> list[bool]:
    selected, covered = [False] * len(parent), [False] * len(parent)
    for cluster in reversed(range(len(parent))):
        above = parent[cluster]
        covered[cluster] = above != cluster and (covered[above] or kept[above])
        selected[cluster] = kept[cluster] and not covered[cluster]
    return selected


def _leaves(parent: Sequence[int]) -> list[bool]:
    """Return the clusters that never split, other than the root."""
    leaf = [True] * len(parent)
    for above in parent:
        leaf[above] = False
    return leaf


def _merge_near(tree: CondensedTree, selected: Sequence[bool], parameters: Hdbscan) -> list[bool]:
    """Replace each cluster born below the epsilon by its first ancestor born beyond it."""
    with np.errstate(divide="ignore", over="ignore"):
        distance = (1 / tree.birth).tolist()
    epsilon, parent, root = parameters.cluster_selection_epsilon, tree.parent.tolist(), tree.root
    instead = list(range(len(parent)))
    for cluster in reversed(range(root)):
        above = parent[cluster]
        if above == root:
            instead[cluster] = root if parameters.allow_single_cluster else cluster
        else:
            instead[cluster] = above if distance[above] > epsilon else instead[above]
    merged = [False] * len(parent)
    for cluster, chosen in enumerate(selected):
        if chosen:
            merged[instead[cluster] if distance[cluster] < epsilon else cluster] = True
    return merged


def owners(tree: CondensedTree, selection: Selection) -> Ints:
    """Return the selected cluster that each cluster is or belongs to, shape (clusters,); -1 for none."""
    parent, selected = tree.parent.tolist(), selection.selected.tolist()
    owner = [NOISE] * len(parent)
    for cluster in reversed(range(len(parent))):
        owner[cluster] = cluster if selected[cluster] else owner[parent[cluster]]
    return np.array(owner, np.int64)
