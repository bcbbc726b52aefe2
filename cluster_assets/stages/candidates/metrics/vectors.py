"""Distances of vectors: Euclidean, Manhattan, Chebyshev and cosine, joined on a grid.

The proofs that no pair is lost are in `sql/candidates/grid/candidates_vector.sql` and
`sql/candidates/grid/candidates_cosine.sql`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.stages.candidates.metrics.grids import RELATIVE_SLACK, half_neighbourhood, located
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Statement
    from cluster_assets.stages.candidates.metrics.plans import Comparison

MOST_AXES = 3  # 13 neighbours; a fourth axis would make 40
LEAST = 2.0**-500  # squares of smaller differences underflow
_COSINE_SLACK = 2.0**-40  # of the squared chord; far above the rounding of 500 dimensions


def plan(comparison: Comparison) -> CandidatePlan:
    """Return a grid join on the first dimensions with the exact test; euclidean, manhattan or chebyshev."""
    side = max(comparison.threshold, LEAST) * RELATIVE_SLACK
    return CandidatePlan(
        scratch=(_located(comparison, "candidates/grid/cells/vector.sql", side),),
        candidates=bind(
            "candidates/grid/candidates_vector.sql",
            structure=_structure(comparison),
            values=thresholds(comparison),
        ),
        comparisons=_comparisons(comparison),
    )


def plan_cosine(comparison: Comparison) -> CandidatePlan:
    """Return a grid join of the vectors scaled to length 1 with the exact test on 1 - their product."""
    side = math.sqrt(2 * comparison.threshold + _COSINE_SLACK) * RELATIVE_SLACK
    return CandidatePlan(
        scratch=(_located(comparison, "candidates/grid/cells/cosine.sql", side),),
        candidates=bind(
            "candidates/grid/candidates_cosine.sql",
            structure=_structure(comparison),
            values={"threshold": comparison.threshold},
        ),
        comparisons=_comparisons(comparison),
    )


def measure(comparison: Comparison) -> dict[str, object]:
    """Return the variables of `candidates/grid/cells/measures.jinja`."""
    return {"metric": comparison.metric, "columns": tuple(column.name for column in comparison.columns)}


def thresholds(comparison: Comparison) -> dict[str, float]:
    """Return the thresholds for statements with the measure `vector`."""
    threshold = comparison.threshold
    if comparison.metric == "euclidean":
        return {"threshold": threshold, "reduced_threshold": threshold * threshold}
    return {"reduced_threshold": threshold}


def _located(comparison: Comparison, cells: str, side: float) -> ScratchStep:
    columns = tuple(f"x{k}" for k in range(len(comparison.columns)))
    axes = _axes(comparison)
    structure = {"cells": cells, "axes": axes, "dimensions": len(columns), "columns": columns}
    statement = bind("candidates/grid/located.sql", structure=structure, values={"side": side})
    return ScratchStep(located(columns, [f"c{k}" for k in range(axes)]), statement)


def _comparisons(comparison: Comparison) -> Statement:
    axes = _axes(comparison)
    return bind(
        "candidates/grid/comparisons.sql",
        structure={"axes": axes, "steps": half_neighbourhood(axes), "has_faces": False},
    )


def _structure(comparison: Comparison) -> dict[str, object]:
    axes = _axes(comparison)
    return {
        **measure(comparison),
        "dimensions": len(comparison.columns),
        "axes": axes,
        "steps": half_neighbourhood(axes),
    }


def _axes(comparison: Comparison) -> int:
    return min(len(comparison.columns), MOST_AXES)
