"""`cluster-assets gc`: remove files that no manifest refers to."""

from __future__ import annotations

import datetime as dt

import click

from cluster_assets.domain.counts import counted
from cluster_assets.opening import open_storage, sweep_scratch
from cluster_assets.publish.delta.kept import files_of_delta_tables
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.garbage import WRITING_GRACE, collect


@click.command()
@click.option(
    "--retention-days",
    type=click.FloatRange(min=0),
    help="Minimum age in days.  [default: CLUSTER_RETENTION_DAYS or 7]",
)
@click.option("--dry-run", is_flag=True, help="Report what would be removed, and remove nothing.")
def gc(retention_days: float | None, dry_run: bool) -> None:
    """Remove old files that no manifest refers to, and old superseded versions of days."""
    settings = load_settings()
    store, catalog = open_storage(settings)
    days = settings.retention_days if retention_days is None else retention_days
    report = collect(
        store,
        catalog,
        files_of_delta_tables(store, settings),
        retention=dt.timedelta(days=days),
        now=dt.datetime.now(dt.UTC),
        dry_run=dry_run,
    )
    if not dry_run:
        sweep_scratch(settings, dt.datetime.now(dt.UTC) - max(dt.timedelta(days=days), WRITING_GRACE))
    verb = "would remove" if dry_run else "removed"
    click.echo(
        f"{verb} {counted(report.objects, 'object')}, {counted(report.bytes, 'byte')}, "
        f"{counted(report.manifests, 'superseded manifest')}"
    )
    for day in report.kept_days:
        click.echo(f"skipped, because its manifest or pointer is unreadable: {day}", err=True)
