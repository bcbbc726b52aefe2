"""HDBSCAN of a day from forests by mutual reachability; memory follows the points."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.contract import InputError
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.contract.hierarchies import HdbscanReply
from lambda_worker.deadline import check_deadline
from lambda_worker.forests.minimum import minimum_forest
from lambda_worker.graph import CandidatePairs, read_weights
from lambda_worker.hierarchy.certificate import Radius, find_undecided
from lambda_worker.hierarchy.condensed import condense, stabilities
from lambda_worker.hierarchy.core_distances import UNKNOWN, read_core_distances
from lambda_worker.hierarchy.parameters import build_hdbscan
from lambda_worker.hierarchy.selection import label_points, select_clusters
from lambda_worker.hierarchy.tree import draw_tree
from lambda_worker.labels import NOISE, Labels
from lambda_worker.parquet_io import BATCH_ROWS, write_labels
from lambda_worker.union_find import DisjointSets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.hierarchies import HdbscanEvent
    from lambda_worker.forests.minimum import Edges
    from lambda_worker.hierarchy.condensed import CondensedTree
    from lambda_worker.hierarchy.parameters import Hdbscan

# One entity is noise, and so are all where nobody can have a core distance; scikit-learn refuses such days.
_FEWEST = 2


def cluster_hierarchy(
    event: HdbscanEvent, batch_rows: int = BATCH_ROWS, fold_rows: int = FOLD_ROWS
) -> HdbscanReply:
    """Draw the hierarchy, select its clusters, write labels and probabilities, and tell whether they last.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    parameters = build_hdbscan(event.algorithm)
    weights = read_weights(event.points, event.point_count, batch_rows)
    core = read_core_distances(event.core_distances, event.point_count, batch_rows)
    pairs = CandidatePairs(event.forests, event.point_count, batch_rows)
    forest = minimum_forest(pairs, fold_rows, core)
    _check_radius(event, forest, core)
    if event.components is not None:
        _write_components(event.components, event.point_count, forest)
    labels, tree, undecided = _cluster(event, parameters, weights, core, forest)
    noise = labels.cluster == NOISE
    return HdbscanReply(
        ok=True,
        rows=event.point_count,
        bytes=write_labels(event.output, labels),
        pairs=pairs.count or 0,
        clusters=labels.clusters,
        noise_entities=int(weights[noise].sum(dtype=np.int64)),
        final=not undecided,
        undecided=undecided,
        components=event.point_count - len(forest),
        unresolved=int(np.count_nonzero(core == UNKNOWN)),
        contested=0 if tree is None else tree.contested,
        tree_weight=_tree_weight(forest, weights, core),
    )


def _cluster(
    event: HdbscanEvent,
    parameters: Hdbscan,
    weights: NDArray[np.unsignedinteger],
    core: NDArray[np.float64],
    forest: Edges,
) -> tuple[Labels, CondensedTree | None, str]:
    if not event.point_count:
        empty = np.empty(0, np.int64)
        return Labels(empty, empty.astype(np.uint8), 0, np.empty(0)), None, ""
    tree = condense(draw_tree(forest, weights, core), parameters.min_cluster_size)
    check_deadline()
    stability = stabilities(tree, weights)
    selection = select_clusters(tree, stability, parameters)
    check_deadline()
    entities = int(weights.sum(dtype=np.int64))
    if entities < max(parameters.neighbourhood, _FEWEST):
        selection.selected[:] = False
    known = Radius(
        radius=event.threshold,
        entities=entities,
        components=event.point_count - len(forest),
        loose=entities - int(tree.top_sizes.sum()),
    )
    undecided = find_undecided(tree, stability, selection, parameters, known)
    return label_points(tree, selection, parameters), tree, undecided


def _check_radius(event: HdbscanEvent, forest: Edges, core: NDArray[np.float64]) -> None:
    longest = max(forest.distance.max(initial=0.0), core.max(initial=0.0, where=core != UNKNOWN))
    if longest > event.threshold or forest.distance.min(initial=0.0) < 0:
        raise InputError(
            f"forests and core distances must lie in 0..{event.threshold:g}, the radius; "
            f"they reach {longest:g}"
        )


def _write_components(address: str, point_count: int, forest: Edges) -> None:
    sets = DisjointSets(point_count)
    sets.unite(forest.a, forest.b)
    write_table(address, {"point_id": np.arange(point_count), "component": sets.roots()})


def _tree_weight(forest: Edges, weights: NDArray[np.unsignedinteger], core: NDArray[np.float64]) -> float:
    """Sum over the forest of all entities: of the points' forest, and within points of two or more."""
    many = np.flatnonzero((weights > 1) & (core != UNKNOWN))
    with np.errstate(over="ignore"):
        within = (weights.take(many) - 1.0) * core.take(many)
        total = float(forest.distance.sum() + within.sum())
    return min(total, sys.float_info.max)  # JSON knows no infinity
