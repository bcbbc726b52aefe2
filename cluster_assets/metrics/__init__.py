"""Metrics: from points to all pairs within the threshold.

A new metric is a module with a function `plan(distance, columns) -> CandidatePlan`, its SQL file with the
proof that its blocking loses no pair, a row in `_PLANS` and a name in `pipeline_spec.Metric`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cluster_assets.metrics import euclidean, haversine, jaccard
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.tables import Column
    from cluster_assets.pipeline_spec import Distance, Metric

__all__ = ["CandidatePlan", "ScratchStep", "plan"]

_PLANS: dict[Metric, Callable[[Distance, tuple[Column, ...]], CandidatePlan]] = {
    "jaccard": jaccard.plan,
    "euclidean": euclidean.plan,
    "haversine": haversine.plan,
}


@functools.lru_cache(maxsize=64)  # the days of a run share it
def plan(distance: Distance, columns: tuple[Column, ...]) -> CandidatePlan:
    """The statements that find every pair of points within the threshold.

    Args:
        distance: Metric and threshold.
        columns: Feature columns of the table `points`.
    """
    return _PLANS[distance.metric](distance, columns)
