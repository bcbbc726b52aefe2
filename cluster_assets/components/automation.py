"""A pipeline with its automation: schedule, arrivals, freshness."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.graph import job_name, pipeline_definitions
from cluster_assets.assets.previews import accepted_previews
from cluster_assets.components.freshness import with_freshness
from cluster_assets.components.sensors import arrival_sensor
from cluster_assets.components.suggestion import with_suggestion_check

if TYPE_CHECKING:
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


@accepted_previews()
def automated_pipeline(spec: PipelineSpec, settings: Settings) -> dg.Definitions:
    """Define assets, job and schedule of a pipeline, its arrival sensor and its further checks."""
    pipeline = with_suggestion_check(with_freshness(pipeline_definitions(spec, settings), spec), spec)
    if spec.arrivals is None:
        return pipeline
    sensor = arrival_sensor(spec, spec.arrivals, job_name(spec))
    return dg.Definitions.merge(pipeline, dg.Definitions(sensors=[sensor]))
