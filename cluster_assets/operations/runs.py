"""Materialize days in this process through Dagster, which records them on its instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import DaysFailedError, Interrupted
from cluster_assets.operations.instances import CODE_LOCATION, prepare_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


_INTERRUPTED = (
    "days that were finished stay published, no other day changed; run it again to compute the rest"
)


def materialize_days(spec: PipelineSpec, days: Sequence[Day], settings: Settings, *, force: bool) -> None:
    """Materialize each day of all assets in order, `days_per_run` days per Dagster run.

    Raises:
        DaysFailedError: Several days failed; all other days were materialized.
        Exception: The error of the day, if a single one failed.
        Interrupted: A signal stopped it; the day in progress is unchanged.
    """
    failed = try_days(spec, days, settings, force=force)
    if len(failed) == 1:
        raise next(iter(failed.values()))
    if failed:
        raise DaysFailedError({day.key: error for day, error in failed.items()}, days=len(days))


def try_days(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, *, force: bool
) -> Mapping[Day, Exception]:
    """Like `materialize_days`, but return the errors of the failed days, in order.

    Raises:
        Interrupted: A signal stopped it; the day in progress is unchanged.
    """
    failed: dict[Day, Exception] = {}
    for start in range(0, len(days), settings.days_per_run):
        failed |= materialize_range(spec, days[start : start + settings.days_per_run], settings, force=force)
    return failed


def materialize_range(
    spec: PipelineSpec,
    days: Sequence[Day],
    settings: Settings,
    *,
    force: bool = False,
    stages: Sequence[str] | None = None,
) -> Mapping[Day, Exception]:
    """Materialize consecutive days in one run of the pipeline's job, and return the errors of failed days.

    Without `stages` it materializes all assets, publications included.

    Raises:
        Interrupted: A signal stopped it; the day in progress is unchanged.
    """
    # Imported here, because loading the asset code takes a second and other commands do not need it.
    from cluster_assets.assets.daily import step_name
    from cluster_assets.backends.kept_databases import kept_open

    prepare_command(settings)
    tags = {
        # With this tag the UI shows the run among those of the job.
        ".dagster/repository": f"__repository__@{CODE_LOCATION}",
        "dagster/asset_partition_range_start": days[0].key,
        "dagster/asset_partition_range_end": days[-1].key,
    }
    try:
        with kept_open(settings.dagster_dir), dg.DagsterInstance.get() as instance:
            _job_of(spec, settings).execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey([spec.name, stage]) for stage in stages] if stages else None,
                tags=tags,
                run_config={
                    "ops": {step_name(spec): {"config": {"force": force}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
    except dg.Failure as failure:
        return _errors_of(failure)
    except (Interrupted, dg.DagsterExecutionInterruptedError) as error:
        raise Interrupted(_INTERRUPTED) from error
    except Exception as error:  # noqa: BLE001  # the run could not do its work: no day is published
        return dict.fromkeys(days, error)
    return {}


def _job_of(spec: PipelineSpec, settings: Settings) -> dg.JobDefinition:
    from cluster_assets.assets.graph import job_name, pipeline_definitions  # as above

    return pipeline_definitions(spec, settings).resolve_job_def(job_name(spec))


def _errors_of(failure: dg.Failure) -> Mapping[Day, Exception]:
    """Return the error of each day that a failed run names."""
    error = failure.__cause__
    if isinstance(error, DaysFailedError):
        return {parse_day(day): one for day, one in error.errors.items()}
    if not isinstance(error, Exception):
        raise failure
    return {parse_day(str(failure.metadata["day"].value)): error}
