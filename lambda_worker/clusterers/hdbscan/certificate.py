"""Whether labels and probabilities are final, though pairs beyond the radius are unknown.

**What is known.** At radius E all merges at distances up to E are known. The merges beyond happen in some
order, at distances h > E, that is, at densities 1/h in (0, 1/E). They join the components at the radius and
the entities of points without a core distance. Call components with at least `min_cluster_size` entities
large and everything else loose; the large ones have W_i entities each, the loose ones w together. Inside a
large component everything is known: its condensed tree, except the birth b_i in [0, 1/E) of the cluster X_i
at its top. Nothing else is assumed, so "final" means: in every possible continuation.

**No new clusters.** A split beyond the radius needs two branches of at least `min_cluster_size` entities.
If w is less, each of them holds a large component. Hence every cluster is below some X_i, is X_i, or holds
two or more large components (an upper cluster). With one large component there is no split at all: X_1 is the
root, and its birth is 0. With none, and fewer than twice `min_cluster_size` entities, the root is the only
cluster.

**Two or more large components; excess of mass.** Let T_i be the stability of X_i in the tree where all
components meet at an infinite distance (its birth is 0), and S_i the best sum below it, which is known. In
every continuation
    T_i - b_i W_i <= stability of X_i <= T_i - b_i W_i + w / E,
where the last term is for loose entities that leave X_i beyond the radius. So X_i is selected below any upper
cluster if it never splits or S_i <= T_i - W_i / E, and never if S_i >= T_i + w / E; otherwise it is
undecided. The best at or below X_i is at least B_i = max(T_i - W_i / E, S_i). An upper cluster with the large
components I has a stability below (sum of W_i over I, + w) / E, because all its entities leave at densities
below 1 / E; the best below it is at least the sum of B_i over I, by induction from the X_i up. So it is never
selected if
    sum over I of (B_i - W_i / E) >= w / E,
and the smallest such sum over all I of k components is that of the k smallest terms. Upper clusters other
than the root hold fewer than all components; the root counts if a single cluster is allowed.

**Leaves.** The leaves are those of the large components, including each X_i that never splits.

**Epsilon.** Clusters beyond the radius are born at distances above E. With an epsilon up to E none of them is
born below it, so that whatever merges stays at or below the X_i. With a larger epsilon the result is
undecided; with one large component all births but the root's are known, and the epsilon does not matter.

**Labels.** Loose entities leave X_i or an upper cluster. If neither is selected they are noise; if an X_i is
selected and w > 0, they might be in it: undecided. If the root is selected (one large component), they are
noise if the required density is at least 1 / E. This holds for the highest density of the root, since its
component lies within the radius, and for the density of an epsilon of at most E. A point of a large component
leaves its cluster at a known density.

**One large component, a single cluster allowed.** The stability of the root is at least T_1 and at most
T_1 + w / E; it is decided if S_1 lies outside.

**Probabilities** are computed from the densities at which points leave (known inside large components) and
from the highest density of the selected cluster. For X_i it is at least 1 / E, at which its component begins,
so entities that leave earlier, beyond the radius, do not count. So probabilities are final when the labels
are.

Sums are rounded; comparisons keep a distance of 1e-9 of their terms, far more than the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.parameters import EOM

if TYPE_CHECKING:
    from lambda_worker.arrays import Bools, Floats
    from lambda_worker.clusterers.hdbscan.condensed import CondensedTree
    from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
    from lambda_worker.clusterers.hdbscan.selection import Selection

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Radius:
    """What is known up to a radius.

    Attributes:
        radius: The distance up to which all merges are known.
        entities: Of the day.
        components: Of the day at the radius.
        loose: Entities outside components of at least `min_cluster_size`.
    """

    radius: float
    entities: int
    components: int
    loose: int


def find_undecided(
    tree: CondensedTree, stability: Floats, selection: Selection, parameters: Hdbscan, known: Radius
) -> str:
    """Describe what could still change labels or probabilities; empty when nothing can."""
    if known.components <= 1 or known.entities < parameters.neighbourhood:
        return ""
    smallest = parameters.min_cluster_size
    if not len(tree.tops):
        alone = not parameters.allow_single_cluster or parameters.cluster_selection_method != EOM
        if known.entities < 2 * smallest and alone:
            return ""
        return f"no component has {smallest} entities"
    if known.loose >= smallest:
        return f"{known.loose} entities are in components of fewer than {smallest}; they could be a cluster"
    bounds = _Bounds.of(tree, stability, selection, known)
    if len(tree.tops) == 1:
        return _single_top(tree, bounds, selection, parameters, known)
    return _several_tops(tree, bounds, selection, parameters, known)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Of the large components, shape (tops,) each; names as in the proof."""

    below: Floats  # S_i
    least: Floats  # T_i - W_i / E
    most: Floats  # T_i + w / E
    mass: Floats  # W_i / E
    extra: float  # w / E
    splits: Bools  # whether X_i splits

    @classmethod
    def of(cls, tree: CondensedTree, stability: Floats, selection: Selection, known: Radius) -> _Bounds:
        own, mass, extra = (
            stability.take(tree.tops),
            tree.top_sizes / known.radius,
            known.loose / known.radius,
        )
        splits = np.zeros(len(tree), np.bool_)
        splits[tree.parent[:-1]] = True
        below = selection.within.take(tree.tops)
        return cls(below, own - mass, own + extra, mass, extra, splits.take(tree.tops))

    def undecided(self, least: Floats) -> int:
        """Count top clusters for which selection is open, given a stability of at least `least`."""
        stay = ~self.splits | _at_most(self.below, least)
        return int(np.count_nonzero(~(stay | _at_most(self.most, self.below))))

    def upper_can_win(self, largest: int) -> bool:
        """Whether a cluster of 2 to `largest` of the components might be selected."""
        best = np.maximum(self.least, self.below)
        order = np.argsort(best - self.mass)
        gain = np.cumsum((best - self.mass).take(order))[1:largest]
        terms = np.cumsum((best + self.mass).take(order))[1:largest] + self.extra
        return not bool((gain >= self.extra + _ROUNDING * np.where(np.isinf(terms), 0, terms)).all())


def _single_top(
    tree: CondensedTree, bounds: _Bounds, selection: Selection, parameters: Hdbscan, known: Radius
) -> str:
    single = parameters.allow_single_cluster and parameters.cluster_selection_method == EOM
    if single and bounds.undecided(bounds.least + bounds.mass):
        return "the whole day may be one cluster"
    if selection.selected[tree.root] and parameters.cluster_selection_epsilon > known.radius:
        return f"loose entities ({known.loose} of them) may belong to the one cluster of the day"
    return ""


def _several_tops(
    tree: CondensedTree, bounds: _Bounds, selection: Selection, parameters: Hdbscan, known: Radius
) -> str:
    if parameters.cluster_selection_epsilon > known.radius:
        return "clusters begin beyond the radius, which the epsilon does not reach"
    if parameters.cluster_selection_method == EOM:
        largest = len(tree.tops) - (not parameters.allow_single_cluster)
        if largest > 1 and bounds.upper_can_win(largest):
            return "clusters of several components could be more stable than those in them"
        if (count := bounds.undecided(bounds.least)) > 0:
            return f"clusters ({count} of them) could be more stable than what they split into, or less"
    if known.loose and bool(selection.selected.take(tree.tops).any()):
        return f"loose entities ({known.loose} of them) may belong to clusters that begin beyond the radius"
    return ""


def _at_most(one: Floats, two: Floats) -> Bools:
    """Whether `one <= two` despite rounding; False if both are infinite."""
    with np.errstate(invalid="ignore"):
        return np.asarray(two - one >= _ROUNDING * (np.abs(one) + np.abs(two)), np.bool_)
