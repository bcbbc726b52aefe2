"""Notifications about failed runs."""

# No `from __future__ import annotations` here: Dagster reads the annotations of sensors.
import dagster as dg

from cluster_assets.components.notifications import FailedRun, notify
from cluster_assets.settings import Settings, load_settings

NAME = "failure_notifications"
_PARTITION_TAGS = (
    "dagster/partition",
    "dagster/asset_partition_range_start",
    "dagster/asset_partition_range_end",
)


def failure_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Return the sensor that reports failed runs, if the settings name a recipient."""
    if settings.notify_webhook_url is None and settings.notify_sns_topic is None:
        return []

    @dg.run_failure_sensor(
        name=NAME,
        description="Notifies a webhook or an SNS topic of each failed run of this code location",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed(context: dg.RunFailureSensorContext) -> None:
        notify(_failed_run(context), load_settings())

    return [failed]


def _failed_run(context: dg.RunFailureSensorContext) -> FailedRun:
    run = context.dagster_run
    days = [run.tags[tag] for tag in _PARTITION_TAGS if tag in run.tags]
    keys = run.asset_selection or frozenset()
    steps = context.get_step_failure_events()
    step = steps[0].step_failure_data.error if steps else None
    # The cause of a failed step is our error with its remedy; Dagster's wrapper adds nothing.
    reason = step.cause if step is not None and step.cause is not None else step
    return FailedRun(
        run_id=run.run_id,
        job=run.job_name,
        assets=tuple(sorted(key.to_user_string() for key in keys)),
        days=tuple(dict.fromkeys(days)),
        step=steps[0].step_key if steps else None,
        reason=reason.message if reason is not None else context.failure_event.message or "",
    )
