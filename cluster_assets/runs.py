"""Materialize days in this process, through Dagster, recorded on its instance."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
import yaml

from cluster_assets.domain.errors import CheckFailedError, ClusterAssetsError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.settings import PROJECT_ROOT
from cluster_assets.stages.way import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.settings import Settings


EVENTS_PER_WRITE = "1000"


def prepare_home(settings: Settings) -> None:
    """Let DAGSTER_HOME be the instance in CLUSTER_HOME, unless it is set already."""
    home = settings.dagster_dir
    home.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load((PROJECT_ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    # The file in the project folder serves commands without DAGSTER_HOME, for the default home.
    config["storage"]["sqlite"]["base_dir"] = str(home)
    config["compute_logs"]["config"]["base_dir"] = str(home / "storage")
    config["concurrency"]["runs"] = {"max_concurrent_runs": settings.parallel_runs}
    draft = home / f".dagster.yaml.{uuid4().hex}"
    draft.write_text(yaml.safe_dump(config), encoding="utf-8")
    draft.replace(home / "dagster.yaml")
    os.environ.setdefault("DAGSTER_HOME", str(home))
    # One write per batch of events instead of one per event: three times less overhead on SQLite.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_PER_WRITE)


def prepare_instance(settings: Settings) -> None:
    """Make Dagster's databases, if they are not there: two processes that make them at once break them."""
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
        instance.get_asset_keys()
        instance.all_instigator_state()


def materialize_days(spec: PipelineSpec, days: Sequence[Day], settings: Settings, *, force: bool) -> None:
    """Bring about each day of all assets, `days_per_run` days a Dagster run, in order.

    Raises:
        CheckFailedError: A blocking check of a day failed; all other days were brought about.
        ClusterAssetsError: A day failed; days finished before it stay published.
    """
    prepare_home(settings)
    refused: list[CheckFailedError] = []
    with dg.DagsterInstance.get() as instance:
        for start in range(0, len(days), settings.days_per_run):
            part = days[start : start + settings.days_per_run]
            try:
                _materialize_range(spec, part, settings, instance, force=force)
            except CheckFailedError as error:
                refused.append(error)
    if refused:
        raise refused[0]


def failed_day(error: BaseException) -> Day | None:
    """The day that a failed `materialize_days` stopped at, where its error tells."""
    failure = error if isinstance(error, dg.Failure) else error.__cause__
    if isinstance(failure, dg.Failure) and "day" in failure.metadata:
        return parse_day(str(failure.metadata["day"].value))
    return None


def _materialize_range(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, instance: dg.DagsterInstance, *, force: bool
) -> None:
    # Imported here because loading all asset code takes a second that other commands need not spend.
    from cluster_assets.assets.pipeline import pipeline_assets
    from cluster_assets.assets.resource import BackendResource

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        assets = pipeline_assets(spec, settings.days_per_run)
    steps = {f"{spec.name}__{stage}": {"config": {"force": force}} for stage in STAGE_NAMES}
    try:
        dg.materialize(
            assets,
            instance=instance,
            resources={"backend": BackendResource()},
            tags={
                "dagster/asset_partition_range_start": days[0].key,
                "dagster/asset_partition_range_end": days[-1].key,
            },
            run_config={"ops": steps, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    except dg.Failure as failure:
        _finish_good_days(failure, spec, days, settings, instance, force=force)
        if isinstance(failure.__cause__, ClusterAssetsError):
            raise failure.__cause__ from failure
        raise


def _finish_good_days(
    failure: dg.Failure,
    spec: PipelineSpec,
    days: Sequence[Day],
    settings: Settings,
    instance: dg.DagsterInstance,
    *,
    force: bool,
) -> None:
    """Bring the days beside the failed ones to their end: one bad day must not hold up the good ones.

    After a failed check the step went on to the days after it; after another error they were not begun.
    """
    told = failure.metadata["failed_days"].value if "failed_days" in failure.metadata else days[0].key
    failed = str(told).split(",")
    went_on = isinstance(failure.__cause__, CheckFailedError)
    good = [day for day in days if day.key not in failed and (went_on or day.key < failed[-1])]
    for part in _ranges(good):
        _materialize_range(spec, part, settings, instance, force=force)


def _ranges(days: Sequence[Day]) -> list[list[Day]]:
    """Runs of consecutive days."""
    parts: list[list[Day]] = []
    for day in days:
        if parts and parts[-1][-1].next == day:
            parts[-1].append(day)
        else:
            parts.append([day])
    return parts
