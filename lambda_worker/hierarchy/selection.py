"""Which clusters of the condensed tree are the answer, and how surely a point belongs to one.

As scikit-learn selects them, rule for rule: excess of mass (Campello, Moulavi, Zimek, Sander, TKDD 2015) or
leaves, then clusters that come apart below an epsilon stay together (Malzer, Baum, MFI 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.hierarchy.condensed import highest_densities
from lambda_worker.hierarchy.parameters import EOM
from lambda_worker.labels import MEMBER_ROLE, NOISE, NOISE_ROLE, Labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambda_worker.hierarchy.condensed import CondensedTree
    from lambda_worker.hierarchy.parameters import Hdbscan


@dataclass(frozen=True, slots=True)
class Selection:
    """The clusters that are selected.

    Attributes:
        selected: Shape (clusters,).
        within: Shape (clusters,): the largest sum of stabilities of clusters below each; 0 when it never
            splits.
    """

    selected: NDArray[np.bool_]
    within: NDArray[np.float64]


def select_clusters(tree: CondensedTree, stability: NDArray[np.float64], parameters: Hdbscan) -> Selection:
    """Select clusters; a microsecond or two of plain Python for each cluster of the tree."""
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
    owner = _owners(tree.parent.tolist(), selection.selected.tolist()).take(tree.home)
    highest = highest_densities(tree)
    if selection.selected[-1]:
        owner[(owner == tree.root) & ~_in_root(tree, selection, parameters, float(highest[-1]))] = NOISE
    inside = np.flatnonzero(owner != NOISE)
    owner_inside, leaves_at = owner.take(inside), tree.leaves_at.take(inside)
    probability = np.zeros(len(owner))
    probability[inside] = _probability(leaves_at, highest.take(owner_inside))
    smallest = np.full(len(tree), len(owner))
    smallest[owner_inside[::-1]] = inside[::-1]  # of the points of a cluster the first one stays
    number = np.empty(len(tree), np.int64)
    number[np.argsort(smallest)] = np.arange(len(tree))
    cluster = np.full(len(owner), NOISE)
    cluster[inside] = number.take(owner_inside)
    role = np.where(cluster == NOISE, NOISE_ROLE, MEMBER_ROLE)
    clusters = int(np.count_nonzero(smallest < len(owner)))
    return Labels(cluster, role, clusters, probability)


def _probability(leaves_at: NDArray[np.float64], highest: NDArray[np.float64]) -> NDArray[np.float64]:
    sure = (highest == 0) | np.isinf(leaves_at)
    with np.errstate(invalid="ignore"):
        return np.where(sure, 1.0, np.minimum(leaves_at, highest) / np.where(highest == 0, 1.0, highest))


def _in_root(
    tree: CondensedTree, selection: Selection, parameters: Hdbscan, highest: float
) -> NDArray[np.bool_]:
    """Points that belong to the root where it is the one cluster; shape (points,).

    Every point is below the root, so scikit-learn asks for a density: that of the epsilon, or else the one
    at which the root ends.
    """
    if np.count_nonzero(selection.selected) > 1:
        return np.zeros(len(tree.home), np.bool_)
    epsilon = parameters.cluster_selection_epsilon
    return np.asarray(tree.leaves_at >= (1 / epsilon if epsilon else highest), np.bool_)


def _excess_of_mass(parent: Sequence[int], stability: Sequence[float]) -> tuple[list[bool], list[float]]:
    """Which clusters are at least as stable as the best below them, and how stable that is."""
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
    """Clusters that never split; the root is none."""
    leaf = [True] * len(parent)
    for above in parent:
        leaf[above] = False
    return leaf


def _merge_near(tree: CondensedTree, selected: Sequence[bool], parameters: Hdbscan) -> list[bool]:
    """Instead of a cluster born below the epsilon, the first one above it that was born beyond."""
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


def _owners(parent: Sequence[int], selected: Sequence[bool]) -> NDArray[np.int64]:
    """The selected cluster that each is, or is in; -1 for none."""
    owner = [NOISE] * len(parent)
    for cluster in reversed(range(len(parent))):
        owner[cluster] = cluster if selected[cluster] else owner[parent[cluster]]
    return np.array(owner, np.int64)
