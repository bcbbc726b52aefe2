"""The clusters of a day from its minimum spanning forest by mutual reachability."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.clusterers.hdbscan.condensed import condense, stabilities, tree_rows
from lambda_worker.clusterers.hdbscan.selection import Selection, label_points, select_clusters
from lambda_worker.clusterers.hdbscan.tree import draw_tree
from lambda_worker.contract.hdbscan import HdbscanReply
from lambda_worker.graph.core_distances import UNKNOWN
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.labels import Labels
from lambda_worker.tables.writing import TREE, write_columns

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Floats
    from lambda_worker.clusterers.hdbscan.condensed import CondensedTree
    from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
    from lambda_worker.graph.minimum import Edges

# Fewer entities are noise, as are all if none can have a core distance; scikit-learn refuses such days.
_FEWEST = 2


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The labels of a day, and what they were selected from.

    Attributes:
        labels: Cluster, role and probability of every point.
        tree: The condensed tree; None on a day without points.
        stability: Shape (clusters,): excess of mass.
        selection: The selected clusters.
        entities: Of the day.
        components: Of the forest.
        tree_weight: Sum of the mutual reachabilities of the forest of all entities.
    """

    labels: Labels
    tree: CondensedTree | None
    stability: Floats
    selection: Selection
    entities: int
    components: int
    tree_weight: float


def cluster_forest(forest: Edges, weights: AnyInts, core: Floats, parameters: Hdbscan) -> Hierarchy:
    """Select clusters of the hierarchy of a forest; arguments as those of `draw_tree`."""
    entities = int(weights.sum(dtype=np.int64))
    weight, components = _weigh_tree(forest, weights, core), len(weights) - len(forest)
    if not len(weights):
        nothing = np.empty(0)
        labels = Labels(nothing.astype(np.int64), nothing.astype(np.uint8), 0, nothing)
        return Hierarchy(labels, None, nothing, Selection(nothing.astype(np.bool_), nothing), 0, 0, weight)
    tree = condense(draw_tree(forest, weights, core), parameters.min_cluster_size)
    check_deadline()
    stability = stabilities(tree, weights)
    selection = select_clusters(tree, stability, parameters)
    check_deadline()
    if entities < max(parameters.neighbourhood, _FEWEST):
        selection.selected[:] = False
    labels = label_points(tree, selection, parameters)
    return Hierarchy(labels, tree, stability, selection, entities, components, weight)


def write_hierarchy(output: str, found: Hierarchy, weights: AnyInts, **more: Any) -> HdbscanReply:
    """Write the labels of a day.

    Args:
        output: Address of the file.
        found: The labels.
        weights: Shape (points,): entities of each point.
        more: Further fields of the reply.
    """
    return write_day(
        HdbscanReply,
        output,
        found.labels,
        weights,
        components=found.components,
        contested=0 if found.tree is None else found.tree.contested,
        tree_weight=found.tree_weight,
        **more,
    )


def write_tree(output: str, found: Hierarchy, weights: AnyInts, farthest: float = math.inf) -> None:
    """Write the condensed tree of a day; arguments as those of `write_hierarchy` and `tree_rows`."""
    rows = [] if found.tree is None else [tree_rows(found.tree, weights, farthest)]
    write_columns(output, TREE, rows)


def _weigh_tree(forest: Edges, weights: AnyInts, core: Floats) -> float:
    """Sum up the forest of all entities: that of the points, and within points of two or more."""
    many = np.flatnonzero((weights > 1) & (core != UNKNOWN))
    with np.errstate(over="ignore"):
        within = (weights.take(many) - 1.0) * core.take(many)
        total = float(forest.distance.sum() + within.sum())
    return min(total, sys.float_info.max)  # JSON has no infinity
