"""Builds what the rule `condensed_tree` needs: core distances of points, and where clusters begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.clusterers.hdbscan.condensed import highest_densities, stabilities, tree_of_rows
from lambda_worker.clusterers.hdbscan.reachability import measure_cores
from lambda_worker.clusterers.hdbscan.selection import density_in_root, owners, select_clusters
from lambda_worker.contract import InputError
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.contract.hdbscan import MOST_TREE_DIMENSIONS, TREE_METRICS
from lambda_worker.graph.neighbours import NearestNeighbours
from lambda_worker.graph.pairs import CandidatePairs
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.serving.condensed_tree import core_distance
from lambda_worker.serving.structures.choice import Widening
from lambda_worker.tables.features import Features
from lambda_worker.tables.labels import NOISE
from lambda_worker.tables.points import WeightedPoints
from lambda_worker.tables.reading import read_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import AnyInts, Floats, Ints
    from lambda_worker.clusterers.hdbscan.condensed import CondensedTree
    from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
    from lambda_worker.serving.entities import Entities
    from lambda_worker.serving.facts import Facts
    from lambda_worker.serving.points import IndexPoints

_IDS = ("parent", "child", "entities")


def freeze_clusters(
    addresses: tuple[str, ...], clusters: Ints, weights: AnyInts, parameters: Hdbscan
) -> dict[str, NDArray[Any]]:
    """Return the densities at which each published cluster begins and ends.

    Clusters are selected from the published tree as they were on the day. Where distances beyond the last
    radius are replaced by it, the selection is the same, because it was final: it is that of every possible
    continuation (see `clusterers/hdbscan/certificate.py`), also of the one in which all else joins there.

    Args:
        addresses: Files of the table `condensed_tree`.
        clusters: Shape (points,): published clusters.
        weights: Shape (points,): entities of each point.
        parameters: Of the algorithm.

    Raises:
        InputError: The files are not those of the published clusters.
    """
    count = int(clusters.max(initial=NOISE)) + 1
    if not count:
        return {"tree_begins": np.empty(0), "tree_ends": np.empty(0)}
    tree = _read_tree(addresses, weights)
    selection = select_clusters(tree, stabilities(tree, weights), parameters)
    members = np.flatnonzero(clusters != NOISE)
    owner = owners(tree, selection).take(tree.home.take(members))
    of_cluster = np.full(count, NOISE, np.int64)
    of_cluster[clusters.take(members)] = owner
    same = np.array_equal(of_cluster.take(clusters.take(members)), owner)
    if not same or NOISE in of_cluster or len(np.unique(of_cluster)) < count:
        raise InputError("the tables clusters and condensed_tree do not belong together")
    ends = highest_densities(tree)
    begins = tree.birth.copy()
    begins[tree.root] = density_in_root(selection, parameters, float(ends[tree.root]))
    return {"tree_begins": begins.take(of_cluster), "tree_ends": ends.take(of_cluster)}


def find_cores(
    facts: Facts,
    points: IndexPoints,
    arrays: Mapping[str, NDArray[Any]],
    entities: Entities,
    candidates: tuple[str, ...] | None,
    min_samples: int,
) -> Floats:
    """Return the core distance of every point, shape (points,); infinite if the day has too few entities.

    A tree of the points finds them if there are few coordinates. Otherwise the near pairs of the day do, and
    the structure of the index for points that have too few.
    """
    metric, features = facts.space.metric, points.features
    if (
        isinstance(features, Features)
        and facts.space.kind in ("vector", "geo")
        and metric in TREE_METRICS
        and facts.dimensions <= MOST_TREE_DIMENSIONS
        and len(points.weights)
    ):
        columns = np.ascontiguousarray(features.vectors.T)
        return measure_cores(WeightedPoints(columns, points.weights), metric, min_samples)
    core = np.full(len(points.weights), np.inf)
    if int(points.weights.sum()) < min_samples:
        return core
    if candidates is not None:
        known, distances = _from_pairs(candidates, points.weights, min_samples)
        core[known] = distances
    search = Widening(facts, arrays, entities)
    for point in np.flatnonzero(np.isinf(core)).tolist():
        check_deadline()
        for _, near in search.search(points.query(point)):
            core[point] = core_distance(near.including(point), points.weights, min_samples)
            if core[point] < np.inf:
                break
    return core


def _from_pairs(addresses: tuple[str, ...], weights: Ints, min_samples: int) -> tuple[AnyInts, Floats]:
    asked = np.ones(len(weights), np.bool_)
    nearest = NearestNeighbours(weights.astype(np.uint64), min_samples, asked, FOLD_ROWS)
    for a, b, distance in CandidatePairs(addresses, len(weights)).weighted_batches():
        nearest.add_pairs(a, b, distance)
    return nearest.core_distances()


def _read_tree(addresses: tuple[str, ...], weights: AnyInts) -> CondensedTree:
    parts = [
        (ids[0], ids[1], distance[0], ids[2])
        for address in addresses
        for ids, distance in read_features(address, _IDS, ("distance",))
    ]
    if not parts:
        raise InputError("the table condensed_tree is empty, but the day has clusters")
    parent, child, distance, entities = (np.concatenate(column) for column in zip(*parts, strict=True))
    return tree_of_rows((parent, child, distance, entities), weights)
