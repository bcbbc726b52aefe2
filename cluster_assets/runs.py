"""Materialize days in this process, through Dagster, recorded on its instance."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg
import yaml

from cluster_assets.domain.errors import ClusterAssetsError
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
    draft = home / f".dagster.yaml.{uuid4().hex}"
    draft.write_text(yaml.safe_dump(config), encoding="utf-8")
    draft.replace(home / "dagster.yaml")
    os.environ.setdefault("DAGSTER_HOME", str(home))
    # One write per batch of events instead of one per event: three times less overhead on SQLite.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_PER_WRITE)


def materialize_days(spec: PipelineSpec, days: Sequence[Day], settings: Settings, *, force: bool) -> None:
    """Bring about each day of all assets, `days_per_run` days a Dagster run, in order.

    Raises:
        ClusterAssetsError: A day failed; days finished before it stay published.
    """
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        for start in range(0, len(days), settings.days_per_run):
            _materialize_range(
                spec, days[start : start + settings.days_per_run], settings, instance, force=force
            )


def _materialize_range(
    spec: PipelineSpec, days: Sequence[Day], settings: Settings, instance: dg.DagsterInstance, *, force: bool
) -> None:
    # Imported here because loading all asset code takes a second that other commands need not spend.
    from cluster_assets.assets.pipeline import pipeline_assets
    from cluster_assets.assets.resource import BackendResource

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
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
        _finish_days_before(failure, spec, days, settings, instance, force=force)
        if isinstance(failure.__cause__, ClusterAssetsError):
            raise failure.__cause__ from failure
        raise


def _finish_days_before(
    failure: dg.Failure,
    spec: PipelineSpec,
    days: Sequence[Day],
    settings: Settings,
    instance: dg.DagsterInstance,
    *,
    force: bool,
) -> None:
    """Bring the days before the failed one to their end: one bad day must not hold up the good ones."""
    failed = str(failure.metadata["day"].value) if "day" in failure.metadata else days[0].key
    good = [day for day in days if day.key < failed]
    if good:
        _materialize_range(spec, good, settings, instance, force=force)
