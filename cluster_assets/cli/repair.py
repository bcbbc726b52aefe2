"""`cluster-assets repair`: bring the days of lineage up to date that are missing or stale."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import click

from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings
from cluster_assets.stages.lineage_chain import stale_days

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.settings import Settings


@click.command()
@click.argument("pipeline")
@click.option("--dry-run", is_flag=True, help="Only say which days are missing or stale, and why.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def repair(pipeline: str, dry_run: bool, form: str) -> None:
    """Compute the lineage of PIPELINE again for days that are missing or stale; exit 0 when all are right."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    ledger = open_ledger(pipeline)
    stale = stale_days(ledger, spec)
    if form == "json":
        click.echo(json.dumps([{"day": day.day.key, "reason": day.reason} for day in stale], indent=2))
    else:
        for day in stale:
            click.echo(f"{day.day}  {day.reason}")
    if dry_run or not stale:
        click.echo(f"{len(stale)} days of lineage to bring up to date", err=True)
        return
    # Each stretch carries its changes on, so what is still stale afterwards is what another run left.
    for days in _stretches([day.day for day in stale], settings.days_per_run):
        _materialize(spec, settings, days)
    if left := stale_days(ledger, spec):
        raise ClusterAssetsError(
            f"{len(left)} days of lineage are stale again, the first is {left[0].day}: {left[0].reason}",
            where=spec.name,
            remedy="another run changed days meanwhile; when it is done, repair again",
        )
    click.echo(f"lineage of {spec.name} is up to date", err=True)


def _stretches(days: Sequence[Day], most: int) -> list[list[Day]]:
    """Days next to each other, at most as many as a Dagster run takes."""
    runs: list[list[Day]] = []
    for day in days:
        if runs and runs[-1][-1].next == day and len(runs[-1]) < most:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _materialize(spec: PipelineSpec, settings: Settings, days: Sequence[Day]) -> None:
    """One Dagster run of the asset `lineage`, so that its events stand on the instance.

    Raises:
        ClusterAssetsError: A day failed.
    """
    # Imported here because loading Dagster takes a second that a dry run need not spend.
    import dagster as dg

    from cluster_assets.assets.daily import daily_policy
    from cluster_assets.assets.lineage import lineage_asset
    from cluster_assets.assets.resource import BackendResource
    from cluster_assets.runs import prepare_home

    prepare_home(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        asset = lineage_asset(spec, daily_policy(spec, settings.days_per_run))
    try:
        with dg.DagsterInstance.get() as instance:
            dg.materialize(
                [asset],
                instance=instance,
                resources={"backend": BackendResource()},
                tags={
                    "dagster/asset_partition_range_start": days[0].key,
                    "dagster/asset_partition_range_end": days[-1].key,
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    except dg.Failure as failure:
        if isinstance(failure.__cause__, ClusterAssetsError):
            raise failure.__cause__ from failure
        raise
