"""`cluster-assets repair`: recompute missing and stale lineage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.listed import ListedLedger
from cluster_assets.stages.lineage.chain import stale_days

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.lineage.chain import StaleDay


@click.command()
@click.argument("pipeline")
@click.option(
    "--dry-run",
    is_flag=True,
    help="List the days that are missing or stale, with the reason; compute nothing.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def repair(pipeline: str, dry_run: bool, form: str) -> None:
    """Recompute the lineage of PIPELINE for days where it is missing or stale; exit 0 if all days succeed."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    stale = _find_stale(spec, settings)
    if form == "json":
        click.echo(json.dumps([{"day": day.day.key, "reason": day.reason} for day in stale], indent=2))
    else:
        for day in stale:
            click.echo(f"{day.day}  {day.reason}")
    if dry_run or not stale:
        click.echo(f"{counted(len(stale), 'day')} of lineage to bring up to date", err=True)
        return
    # Each range also updates later days, so only another run can leave stale days.
    for days in _stretches([day.day for day in stale], settings.days_per_run):
        _materialize(spec, settings, days)
    if left := _find_stale(spec, settings):
        raise ClusterAssetsError(
            f"lineage of {counted(len(left), 'day')} is stale again, the first is {left[0].day}: "
            f"{left[0].reason}",
            where=spec.name,
            remedy="another run changed days in the meantime; wait for it, then repair again",
        )
    click.echo(f"lineage of {spec.name} is up to date", err=True)


def _find_stale(spec: PipelineSpec, settings: Settings) -> Sequence[StaleDay]:
    ledger = ListedLedger(*open_storage(settings), spec.name)
    ledger.read_ahead(("clusters", "lineage"), ledger.days("clusters"))
    return stale_days(ledger, spec)


def _stretches(days: Sequence[Day], most: int) -> list[list[Day]]:
    """Group consecutive days into ranges for one Dagster run each."""
    runs: list[list[Day]] = []
    for day in days:
        if runs and runs[-1][-1].next == day and len(runs[-1]) < most:
            runs[-1].append(day)
        else:
            runs.append([day])
    return runs


def _materialize(spec: PipelineSpec, settings: Settings, days: Sequence[Day]) -> None:
    """Run the asset `lineage` through Dagster, which records its events on the instance.

    Raises:
        Exception: A day failed; the first error.
    """
    # Imported here, because loading Dagster takes a second and a dry run does not need it.
    from cluster_assets.operations.runs import materialize_range

    for error in materialize_range(spec, days, settings, stages=("lineage",)).values():
        raise error
