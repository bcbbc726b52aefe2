"""Metrics: from points to all pairs within the threshold.

A new metric is a module with a function `plan(comparison) -> CandidatePlan`, its SQL file with the proof that
its blocking loses no pair, a row in `_JOINS` and a name in `pipeline_spec.Metric`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cluster_assets.metrics import euclidean, haversine, jaccard
from cluster_assets.metrics.plans import CandidatePlan, Comparison, Part, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.pipeline_spec import Kind, Metric

__all__ = ["CandidatePlan", "Comparison", "Part", "ScratchStep", "plan"]

_JOINS: dict[tuple[Kind, Metric], Callable[[Comparison], CandidatePlan]] = {
    ("set", "jaccard"): jaccard.plan,
    ("vector", "euclidean"): euclidean.plan,
    ("geo", "haversine"): haversine.plan,
}


@functools.lru_cache(maxsize=64)  # the days of a run share it
def plan(comparison: Comparison) -> CandidatePlan:
    """The SQL join that lists every pair of points within the threshold."""
    return _JOINS[comparison.kind, comparison.metric](comparison)
