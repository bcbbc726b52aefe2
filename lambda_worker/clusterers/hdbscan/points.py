"""HDBSCAN of a day in one invocation, from the coordinates of its points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.hierarchy import cluster_forest, write_hierarchy, write_tree
from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.clusterers.hdbscan.reachability import span_points
from lambda_worker.contract.messages import build_algorithm
from lambda_worker.graph.core_distances import UNKNOWN
from lambda_worker.tables.points import read_weighted_points

if TYPE_CHECKING:
    from lambda_worker.contract.hdbscan import HdbscanPointsEvent, HdbscanReply


def cluster_points(event: HdbscanPointsEvent) -> HdbscanReply:
    """Span all points by mutual reachability, and write the labels of the day."""
    parameters = build_algorithm(event.algorithm, {"hdbscan": Hdbscan})
    points = read_weighted_points(event.points, event.columns, event.point_count)
    weights = points.weights
    core, forest = span_points(points, event.metric, parameters.neighbourhood)
    del points
    found = cluster_forest(forest, weights, core, parameters)
    if event.tree is not None:
        write_tree(event.tree, found, weights)
    unresolved = int(np.count_nonzero(core == UNKNOWN))
    return write_hierarchy(event.output, found, weights, final=True, unresolved=unresolved)
