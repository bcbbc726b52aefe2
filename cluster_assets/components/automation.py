"""A pipeline with everything that runs by itself: schedule, arrivals, freshness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.pipeline import pipeline_definitions
from cluster_assets.components.freshness import with_freshness
from cluster_assets.components.sensors import arrival_sensor

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import PipelineSpec


def automated_pipeline(spec: PipelineSpec, days_per_run: int) -> dg.Definitions:
    """Assets, job and schedule of a pipeline, its sensor of arrivals and its freshness."""
    pipeline = with_freshness(pipeline_definitions(spec, days_per_run), spec)
    if spec.arrivals is None:
        return pipeline
    sensor = arrival_sensor(spec, spec.arrivals, f"{spec.name}_daily")
    return dg.Definitions.merge(pipeline, dg.Definitions(sensors=[sensor]))
