"""Euclidean distance of vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.metrics.grids import RELATIVE_SLACK, half_neighbourhood
from cluster_assets.metrics.plans import CandidatePlan
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison

_MOST_AXES = 3  # 13 neighbours; a fourth axis would make 40
_LEAST = 2.0**-500  # squares of smaller differences underflow


def plan(comparison: Comparison) -> CandidatePlan:
    """Grid join on the first dimensions, then the exact distance; the proof stands in the SQL file."""
    threshold, axes = comparison.threshold, min(len(comparison.columns), _MOST_AXES)
    structure = {"dimensions": len(comparison.columns), "axes": axes, "steps": half_neighbourhood(axes)}
    side = {"side": max(threshold, _LEAST) * RELATIVE_SLACK}
    squared = {"threshold": threshold, "squared_threshold": threshold * threshold}
    return CandidatePlan(
        scratch=(),
        candidates=bind("candidates/euclidean.sql", structure=structure, values={**side, **squared}),
        comparisons=bind(
            "comparisons/grid.sql", structure={**structure, "cells": "cells/euclidean.sql"}, values=side
        ),
    )
