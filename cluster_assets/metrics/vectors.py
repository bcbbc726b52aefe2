"""Distances of vectors: Euclidean, Manhattan, Chebyshev and cosine, joined on a grid.

The proofs that no pair is lost stand in `sql/candidates/vector.sql` and `sql/candidates/cosine_vector.sql`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cluster_assets.metrics.grids import RELATIVE_SLACK, half_neighbourhood, located
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison
    from cluster_assets.ports import Statement

MOST_AXES = 3  # 13 neighbours; a fourth axis would make 40
LEAST = 2.0**-500  # squares of smaller differences underflow
_COSINE_SLACK = 2.0**-40  # of the squared chord; far above the rounding of 500 dimensions


def plan(comparison: Comparison) -> CandidatePlan:
    """Grid join on the first dimensions, then the exact distance; euclidean, manhattan or chebyshev."""
    side = max(comparison.threshold, LEAST) * RELATIVE_SLACK
    return CandidatePlan(
        scratch=(_located(comparison, "cells/vector.sql", side),),
        candidates=bind(
            "candidates/vector.sql",
            structure={**_structure(comparison), **measure(comparison)},
            values=thresholds(comparison),
        ),
        comparisons=_comparisons(comparison),
    )


def plan_cosine(comparison: Comparison) -> CandidatePlan:
    """Grid join of the vectors brought to length 1, then 1 - their product."""
    side = math.sqrt(2 * comparison.threshold + _COSINE_SLACK) * RELATIVE_SLACK
    return CandidatePlan(
        scratch=(_located(comparison, "cells/cosine.sql", side),),
        candidates=bind(
            "candidates/cosine_vector.sql",
            structure=_structure(comparison),
            values={"threshold": comparison.threshold},
        ),
        comparisons=_comparisons(comparison),
    )


def measure(comparison: Comparison) -> dict[str, object]:
    """What `cells/measures.jinja` asks for."""
    return {"metric": comparison.metric, "columns": tuple(column.name for column in comparison.columns)}


def thresholds(comparison: Comparison) -> dict[str, float]:
    """The thresholds that statements with the measure `vector` ask for."""
    threshold = comparison.threshold
    if comparison.metric == "euclidean":
        return {"threshold": threshold, "reduced_threshold": threshold * threshold}
    return {"reduced_threshold": threshold}


def _located(comparison: Comparison, cells: str, side: float) -> ScratchStep:
    columns = tuple(f"x{k}" for k in range(len(comparison.columns)))
    axes = _axes(comparison)
    structure = {"cells": cells, "axes": axes, "dimensions": len(columns), "columns": columns}
    statement = bind("located/located.sql", structure=structure, values={"side": side})
    return ScratchStep(located(columns, [f"c{k}" for k in range(axes)]), statement)


def _comparisons(comparison: Comparison) -> Statement:
    axes = _axes(comparison)
    return bind(
        "comparisons/grid.sql",
        structure={"axes": axes, "steps": half_neighbourhood(axes), "has_faces": False},
    )


def _structure(comparison: Comparison) -> dict[str, object]:
    axes = _axes(comparison)
    return {"dimensions": len(comparison.columns), "axes": axes, "steps": half_neighbourhood(axes)}


def _axes(comparison: Comparison) -> int:
    return min(len(comparison.columns), MOST_AXES)
