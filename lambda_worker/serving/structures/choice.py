"""The structure that finds the near points of a day, chosen by kind, metric and dimensions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.gower import MixedFeatures
from lambda_worker.metrics.listed import METRICS
from lambda_worker.serving.structures.dense import Dense, build_dense
from lambda_worker.serving.structures.grid import Plane, Sphere, build_globe, build_plane
from lambda_worker.serving.structures.mixed import Mixed, build_mixed
from lambda_worker.serving.structures.near import Near
from lambda_worker.serving.structures.sets import Sets, build_sets
from lambda_worker.serving.structures.texts import Texts, build_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats
    from lambda_worker.contract.serving import Space
    from lambda_worker.serving.entities import Entities
    from lambda_worker.serving.facts import Facts, Structure
    from lambda_worker.serving.points import IndexPoints
    from lambda_worker.serving.structures.near import NearIndex


_FACTORS: dict[Structure, tuple[float, ...]] = {
    "sets": (1.0, math.inf),
    "mixed": (1.0, math.inf),
    "none": (math.inf,),
}
"""Factors of the radius, for structures that measure all points beyond the threshold anyway."""


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


def open_structure(
    facts: Facts, arrays: Mapping[str, NDArray[Any]], entities: Entities, factor: float = 1.0
) -> NearIndex:
    """Return the structure of an index.

    Args:
        facts: Which structure it is.
        arrays: Its arrays.
        entities: Knows the codes of tokens.
        factor: Widens the threshold, at least 1; infinite for all points with their distances.
    """
    metric, threshold = facts.space.metric or "", facts.space.threshold or 0.0
    radius = threshold * factor if factor < math.inf else factor
    ways: dict[Structure, Callable[[], NearIndex]] = {
        "plane": lambda: Plane(arrays, metric, threshold, factor),
        "sphere": lambda: Sphere(arrays, threshold, factor),
        "dense": lambda: Dense(arrays, metric, radius),
        # The postings are those of the threshold; beyond it, all sets are measured.
        "sets": lambda: Sets(arrays, metric, 1.0 if factor > 1 else threshold, entities.code),
        "texts": lambda: Texts(arrays, radius, built_for=threshold),
        "mixed": lambda: Mixed(arrays, facts.space.parts, radius, entities.code),
        "none": _Nothing,
    }
    return ways[facts.structure]()


class Widening:
    """Searches of growing radius, to find the nearest points however far they are."""

    def __init__(self, facts: Facts, arrays: Mapping[str, NDArray[Any]], entities: Entities) -> None:
        self._threshold = facts.space.threshold or 0.0
        factors = _FACTORS.get(facts.structure, (1.0, 2.0, 4.0, 8.0, math.inf))
        self._steps = [(factor, open_structure(facts, arrays, entities, factor)) for factor in factors]

    def search(self, query: Any) -> Iterator[tuple[float, Near]]:
        """Yield radii and all points within them; the last radius is infinite."""
        for factor, structure in self._steps:
            yield self._threshold * factor if factor < math.inf else factor, structure.near(query)


class _Nothing:
    """A day without points, or an algorithm without a distance."""

    def near(self, query: Any) -> Near:
        """Return no points."""
        return Near.nothing()
