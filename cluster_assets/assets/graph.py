"""All Dagster definitions of one pipeline: an asset per stage and target, a job and a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.daily import daily_assets, daily_policy
from cluster_assets.assets.previews import accepted_previews
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


def pipeline_assets(spec: PipelineSpec, settings: Settings) -> dg.AssetsDefinition:
    """Define the assets of the stages and publications, from raw to the report and the index."""
    return daily_assets(spec, stages_of(spec), daily_policy(spec, settings))


def job_name(spec: PipelineSpec) -> str:
    """Return the name of the pipeline's job."""
    return f"{spec.name}_daily"


@accepted_previews()
def pipeline_definitions(spec: PipelineSpec, settings: Settings) -> dg.Definitions:
    """Define the assets, a job over them and, if the YAML asks for it, its daily schedule."""
    assets = pipeline_assets(spec, settings)
    job = dg.define_asset_job(
        job_name(spec),
        selection=dg.AssetSelection.assets(*assets.keys),
        description=f"One day of {spec.name}, from source rows to clusters",
        # Set here too, because the project's own executor may start a process per step, which takes 3 s each.
        executor_def=dg.in_process_executor,
    )
    schedules = []
    if spec.schedule is not None:
        schedules.append(
            dg.build_schedule_from_partitioned_job(
                job,
                hour_of_day=spec.schedule.hour_of_day,
                minute_of_hour=spec.schedule.minute_of_hour,
                # A schedule in the YAML should run without being switched on in the UI.
                default_status=dg.DefaultScheduleStatus.RUNNING,
            )
        )
    return dg.Definitions(assets=[assets], jobs=[job], schedules=schedules, resources=RESOURCES)
