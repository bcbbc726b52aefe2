"""Whether the latest due day is published: Dagster's freshness policy, and a check that knows partitions."""

# No `from __future__ import annotations` here: Dagster reads the annotations of checks.
import datetime as dt

import dagster as dg

from cluster_assets.domain.days import Day
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.ledger.ledger import Ledger

CHECK = "latest_day_present"
_STAGE = "clusters"
_AFTER_SCHEDULE = dt.timedelta(hours=6)


def due_after(spec: PipelineSpec) -> dt.timedelta | None:
    """How long after its end in UTC a day is due; None if the YAML does not say."""
    if spec.freshness is not None:
        return dt.timedelta(hours=spec.freshness.within_hours)
    if spec.schedule is not None:
        at = dt.timedelta(hours=spec.schedule.hour_of_day, minutes=spec.schedule.minute_of_hour)
        return at + _AFTER_SCHEDULE
    return None


def latest_due_day(spec: PipelineSpec, due: dt.timedelta, now: dt.datetime) -> Day | None:
    """Return the latest partition that is due; None before the first one is.

    Args:
        spec: The pipeline.
        due: How long after its end a day is due.
        now: The current time, timezone-aware.
    """
    day = Day((now.astimezone(dt.UTC) - due).date() - dt.timedelta(days=1))
    if spec.last_day is not None:
        day = min(day, spec.last_day)
    return day if day >= spec.first_day else None


def freshness_policy(due: dt.timedelta) -> dg.FreshnessPolicy:
    """Require a materialization between the end of the previous day and the daily deadline.

    The policy does not know partitions: a backfill of an old day satisfies it. The check is stricter.
    """
    deadline = due % dt.timedelta(days=1)
    hour, minute = divmod(int(deadline.total_seconds()) // 60, 60)
    window = min(due, dt.timedelta(days=1))
    # Dagster requires the window to be shorter than the time between two deadlines.
    window = min(max(window, dt.timedelta(minutes=5)), dt.timedelta(hours=23, minutes=59))
    return dg.FreshnessPolicy.cron(f"{minute} {hour} * * *", lower_bound_delta=window, timezone="UTC")


def with_freshness(pipeline: dg.Definitions, spec: PipelineSpec) -> dg.Definitions:
    """Add a deadline to the pipeline's clusters, a check of the deadline, and the check's schedule."""
    due = due_after(spec)
    if due is None:
        return pipeline
    key = dg.AssetKey([spec.name, _STAGE])
    check = _latest_day_check(spec, key, due)
    job = dg.define_asset_job(f"{spec.name}_freshness", selection=dg.AssetSelection.checks(check))
    deadline = due % dt.timedelta(days=1)
    hour, minute = divmod(int(deadline.total_seconds()) // 60, 60)
    schedule = dg.ScheduleDefinition(
        name=f"{spec.name}_freshness_schedule",
        job=job,
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    # A pipeline that has ended has no later days: only its last day counts.
    today = Day(dt.datetime.now(dt.UTC).date())
    if spec.last_day is None or spec.last_day >= today:
        policy = freshness_policy(due)
        pipeline = pipeline.map_asset_specs(
            func=lambda asset: (
                asset.replace_attributes(freshness_policy=policy) if asset.key == key else asset
            )
        )
    return dg.Definitions.merge(
        pipeline, dg.Definitions(asset_checks=[check], jobs=[job], schedules=[schedule])
    )


def _latest_day_check(spec: PipelineSpec, key: dg.AssetKey, due: dt.timedelta) -> dg.AssetChecksDefinition:
    hours = due.total_seconds() / 3600

    @dg.asset_check(
        asset=key,
        name=CHECK,
        description=f"The latest day that ended more than {hours:g} h ago has its clusters",
    )
    def latest_day_present() -> dg.AssetCheckResult:
        store, catalog = open_storage(load_settings())
        days = Ledger(store, catalog, spec.name).days(_STAGE)
        wanted = latest_due_day(spec, due, dt.datetime.now(dt.UTC))
        latest = days[-1].key if days else "none"
        return dg.AssetCheckResult(
            passed=wanted is None or wanted in days,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{wanted or 'no day'} is due; the latest day there is: {latest}",
            metadata={"due_day": wanted.key if wanted else "none", "latest_day": latest},
        )

    return latest_day_present
