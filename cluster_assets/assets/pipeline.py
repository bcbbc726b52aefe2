"""All Dagster definitions of one pipeline: assets in the order of the data, job and schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.candidates import candidates_asset
from cluster_assets.assets.clusters import clusters_asset
from cluster_assets.assets.daily import daily_policy
from cluster_assets.assets.lineage import lineage_asset
from cluster_assets.assets.points import points_asset
from cluster_assets.assets.profiles import profiles_asset
from cluster_assets.assets.raw import raw_asset
from cluster_assets.assets.report import report_asset

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import PipelineSpec


def pipeline_assets(spec: PipelineSpec, days_per_run: int) -> tuple[dg.AssetsDefinition, ...]:
    """Raw -> points -> candidates -> clusters -> lineage -> profiles -> report."""
    policy = daily_policy(spec, days_per_run)
    return (
        raw_asset(spec, policy),
        points_asset(spec, policy),
        candidates_asset(spec, policy),
        clusters_asset(spec, policy),
        lineage_asset(spec, policy),
        profiles_asset(spec, policy),
        report_asset(spec, policy),
    )


def pipeline_definitions(spec: PipelineSpec, days_per_run: int) -> dg.Definitions:
    """The assets, a job over them and, where the YAML asks for it, its daily schedule."""
    assets = pipeline_assets(spec, days_per_run)
    job = dg.define_asset_job(
        f"{spec.name}_daily",
        selection=dg.AssetSelection.assets(*assets),
        description=f"One day of {spec.name}, from source rows to clusters",
    )
    schedules = []
    if spec.schedule is not None:
        schedules.append(
            dg.build_schedule_from_partitioned_job(
                job,
                hour_of_day=spec.schedule.hour_of_day,
                minute_of_hour=spec.schedule.minute_of_hour,
                # Whoever writes a schedule into the YAML wants it to run.
                default_status=dg.DefaultScheduleStatus.RUNNING,
            )
        )
    return dg.Definitions(assets=assets, jobs=[job], schedules=schedules)
