"""Builds the structure that finds the near points of a day, chosen by kind, metric and dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.gower import MixedFeatures
from lambda_worker.metrics.listed import METRICS
from lambda_worker.serving.structures.dense import build_dense
from lambda_worker.serving.structures.grid import build_globe, build_plane
from lambda_worker.serving.structures.mixed import build_mixed
from lambda_worker.serving.structures.sets import build_sets
from lambda_worker.serving.structures.texts import build_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats
    from lambda_worker.contract.serving import Space
    from lambda_worker.serving.facts import Structure
    from lambda_worker.serving.points import IndexPoints


def build_structure(space: Space, points: IndexPoints) -> tuple[Structure, dict[str, NDArray[Any]]]:
    """Return the name and the arrays of the structure for some points.

    Args:
        space: How they are compared.
        points: The points of the day.
    """
    features, metric, threshold = points.features, space.metric, space.threshold
    if not len(points.weights) or metric is None or threshold is None:
        return "none", {}
    if isinstance(features, MixedFeatures):
        return "mixed", build_mixed(features)
    if space.kind == "set":
        return "sets", build_sets(features.codes, metric, threshold)
    if space.kind == "text":
        return "texts", build_texts(features.codes, threshold)
    return _of_numbers(space.kind, np.ascontiguousarray(features.vectors.T), metric, threshold)


def _of_numbers(
    kind: str, columns: Floats, metric: str, threshold: float
) -> tuple[Structure, dict[str, NDArray[Any]]]:
    if kind == "geo":
        return "sphere", build_globe(columns, threshold)
    if not METRICS[metric].of_directions:
        plane = build_plane(columns, threshold)
        if plane is not None:
            return "plane", plane
    return "dense", build_dense(columns, metric, threshold)
