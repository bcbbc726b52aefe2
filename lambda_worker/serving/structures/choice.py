"""Opens the structure that finds the near points of a day.

Each structure is imported when a day needs it: a day has one, and the others would delay a cold start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lambda_worker.serving.structures.near import Near

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lambda_worker.serving.entities import Entities
    from lambda_worker.serving.facts import Facts, Structure
    from lambda_worker.serving.structures.near import NearIndex


_FACTORS: dict[Structure, tuple[float, ...]] = {
    "sets": (1.0, math.inf),
    "mixed": (1.0, math.inf),
    "none": (math.inf,),
}
"""Factors of the radius, for structures that measure all points beyond the threshold anyway."""


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
    match facts.structure:
        case "plane":
            from lambda_worker.serving.structures.grid import Plane

            found: NearIndex = Plane(arrays, metric, threshold, factor)
        case "sphere":
            from lambda_worker.serving.structures.grid import Sphere

            found = Sphere(arrays, threshold, factor)
        case "dense":
            from lambda_worker.serving.structures.dense import Dense

            found = Dense(arrays, metric, radius)
        case "sets":
            from lambda_worker.serving.structures.sets import Sets

            # The postings are those of the threshold; beyond it, all sets are measured.
            found = Sets(arrays, metric, 1.0 if factor > 1 else threshold, entities.code)
        case "texts":
            from lambda_worker.serving.structures.texts import Texts

            found = Texts(arrays, radius, built_for=threshold)
        case "mixed":
            from lambda_worker.serving.structures.mixed import Mixed

            found = Mixed(arrays, facts.space.parts, radius, entities.code)
        case "none":
            found = _Nothing()
    return found


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
