"""HDBSCAN of a day from forests by mutual reachability; memory follows the points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.certificate import Radius, find_undecided
from lambda_worker.clusterers.hdbscan.hierarchy import cluster_forest, write_hierarchy, write_tree
from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.contract import InputError
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.contract.messages import build_algorithm
from lambda_worker.graph.core_distances import UNKNOWN, read_core_distances
from lambda_worker.graph.minimum import minimum_forest
from lambda_worker.graph.pairs import CandidatePairs, read_weights
from lambda_worker.graph.union_find import DisjointSets
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats
    from lambda_worker.clusterers.hdbscan.hierarchy import Hierarchy
    from lambda_worker.contract.hdbscan import HdbscanEvent, HdbscanReply
    from lambda_worker.graph.minimum import Edges


def cluster_hierarchy(event: HdbscanEvent, fold_rows: int = FOLD_ROWS) -> HdbscanReply:
    """Select clusters of the hierarchy, write the labels of the day, and report whether they are final."""
    parameters = build_algorithm(event.algorithm, {"hdbscan": Hdbscan})
    weights = read_weights(event.points, event.point_count)
    core = read_core_distances(event.core_distances, event.point_count)
    pairs = CandidatePairs(event.forests, event.point_count)
    forest = minimum_forest(pairs, fold_rows, core)
    _check_radius(event, forest, core)
    if event.components is not None:
        _write_components(event.components, event.point_count, forest)
    found = cluster_forest(forest, weights, core, parameters)
    if event.tree is not None:
        write_tree(event.tree, found, weights, event.threshold)
    undecided = _find_undecided(event, parameters, found)
    return write_hierarchy(
        event.output,
        found,
        weights,
        pairs=pairs.count or 0,
        final=not undecided,
        undecided=undecided,
        unresolved=int(np.count_nonzero(core == UNKNOWN)),
    )


def _find_undecided(event: HdbscanEvent, parameters: Hdbscan, found: Hierarchy) -> str:
    if found.tree is None:
        return ""
    known = Radius(
        radius=event.threshold,
        entities=found.entities,
        components=found.components,
        loose=found.entities - int(found.tree.top_sizes.sum()),
    )
    return find_undecided(found.tree, found.stability, found.selection, parameters, known)


def _check_radius(event: HdbscanEvent, forest: Edges, core: Floats) -> None:
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
