"""The sensor that materializes a day when its data has arrived."""

# No `from __future__ import annotations` here: Dagster reads the annotations of sensors.
import datetime as dt

import dagster as dg

from cluster_assets.arrivals.announcements import read_cursor
from cluster_assets.arrivals.claims import Claims
from cluster_assets.arrivals.reception import Look, Reception
from cluster_assets.opening import open_announcements, open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import Arrivals, PipelineSpec
from cluster_assets.stages.ledger.ledger import Ledger

# Dagster's tag for the key of a run request.
RUN_KEY_TAG = "dagster/run_key"


def arrival_sensor(spec: PipelineSpec, arrivals: Arrivals, job_name: str) -> dg.SensorDefinition:
    """Define a sensor that requests one run for each announced day and each state of its inputs."""

    @dg.sensor(
        name=f"{spec.name}_arrivals",
        job_name=job_name,
        minimum_interval_seconds=arrivals.interval_s,
        description=f"Materializes a day of {spec.name} when its marker appears, and again when its data "
        "changed and the marker is written again",
        # A user who adds `arrivals` to the YAML wants the sensor to run.
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def arrived(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        look = _look(spec, arrivals, context)
        for note in look.notes:
            context.log.info(note)
        cursor = look.cursor.to_json()
        if not look.requests:
            why = "; ".join(look.notes[:10]) or "no day was announced"
            return dg.SensorResult(skip_reason=why, cursor=cursor)
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=request.run_key, partition_key=request.day.key)
                for request in look.requests
            ],
            cursor=cursor,
        )

    return arrived


def _look(spec: PipelineSpec, arrivals: Arrivals, context: dg.SensorEvaluationContext) -> Look:
    def is_known(run_key: str) -> bool:
        runs = context.instance.get_run_ids(filters=dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
        return bool(runs)

    settings = load_settings()
    with open_backend(settings) as backend:
        reception = Reception(
            spec=spec,
            backend=backend,
            ledger=Ledger(backend.store, backend.catalog, spec.name),
            announcements=open_announcements(settings, spec),
            claims=Claims(backend.store, dt.timedelta(minutes=arrivals.lease_minutes)),
            is_known=is_known,
            is_preview=_is_preview(context),
        )
        return reception.look(read_cursor(context.cursor))


def _is_preview(context: dg.SensorEvaluationContext) -> bool:
    """Return whether a user tests the sensor in the UI: only the daemon knows when it was started."""
    return context.last_sensor_start_time is None and context.last_tick_completion_time is None
