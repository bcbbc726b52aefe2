"""Checks that features, distance, blocking and algorithm fit together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.spec.algorithm import ConnectedComponents, Dbscan, SingleLinkage
from cluster_assets.spec.metrics import metric_of
from lambda_worker.contract.hdbscan import MOST_TREE_DIMENSIONS

if TYPE_CHECKING:
    from cluster_assets.spec.algorithm import Algorithm
    from cluster_assets.spec.distance import Distance
    from cluster_assets.spec.features import Features, Kind
    from cluster_assets.spec.metrics import BlockingType


def check_fits(algorithm: Algorithm, kind: Kind, distance: Distance | None) -> None:
    """Refuse an algorithm that does not fit the features or the distance.

    Args:
        algorithm: The algorithm of the YAML.
        kind: The kind of the features.
        distance: The distance of the YAML, if any.

    Raises:
        ValueError: They do not fit; the message says what fits.
    """
    if not algorithm.uses_pairs:
        if distance is not None:
            raise ValueError(f"{algorithm.type} compares points with centres; leave distance out")
        if kind not in ("vector", "embedding"):
            raise ValueError(f"{algorithm.type} needs features.vector or features.embedding, not {kind}")
        return
    if distance is None:
        raise ValueError(f"{algorithm.type} works on near pairs; give distance: {{metric: …, threshold: …}}")
    if kind == "mixed" and algorithm.measures_beyond_threshold:
        raise ValueError(
            f"{algorithm.type} needs distances above the threshold, not computed for mixed "
            "features; use dbscan, hdbscan, optics, single_linkage or connected_components"
        )
    if algorithm.needs_plane and (kind not in ("vector", "embedding") or distance.metric != "euclidean"):
        raise ValueError(
            f"{algorithm.needs_plane} needs vectors and metric euclidean, not {distance.metric} of a {kind}"
        )
    algorithm.check_fits(kind, distance)


def can_explore(algorithm: Algorithm) -> bool:
    """Whether `explore` can compare thresholds of an algorithm."""
    return isinstance(algorithm, Dbscan | ConnectedComponents | SingleLinkage)


def blockings_of(features: Features, distance: Distance, algorithm: Algorithm) -> tuple[BlockingType, ...]:
    """Return the executors that can find the pairs of a pipeline.

    Dense cells need few dimensions, and an algorithm that needs only core points and connectivity. Hashing
    misses pairs, which only some algorithms tolerate.
    """
    few_axes = len(features.vector or ()) <= MOST_TREE_DIMENSIONS
    fits: dict[BlockingType, bool] = {
        "cells": few_axes and algorithm.reads_certificates,
        "lsh": algorithm.may_miss_pairs,
    }
    executors = metric_of(features.kind, distance.metric).executors
    return tuple(executor for executor in executors if fits.get(executor, True))
