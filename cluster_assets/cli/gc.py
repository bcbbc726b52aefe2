"""`cluster-assets gc`: remove what no manifest refers to."""

from __future__ import annotations

import datetime as dt

import click

from cluster_assets.composition import open_storage, sweep_scratch
from cluster_assets.settings import load_settings
from cluster_assets.stages.garbage import WRITING_GRACE, collect


@click.command()
@click.option("--retention-days", type=click.FloatRange(min=0), help="Default: CLUSTER_RETENTION_DAYS, 7.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def gc(retention_days: float | None, dry_run: bool) -> None:
    """Remove files that no manifest refers to and superseded days, older than the retention."""
    settings = load_settings()
    store, catalog = open_storage(settings)
    days = settings.retention_days if retention_days is None else retention_days
    report = collect(
        store,
        catalog,
        retention=dt.timedelta(days=days),
        now=dt.datetime.now(dt.UTC),
        dry_run=dry_run,
    )
    if not dry_run:
        sweep_scratch(settings, dt.datetime.now(dt.UTC) - max(dt.timedelta(days=days), WRITING_GRACE))
    verb = "would remove" if dry_run else "removed"
    click.echo(
        f"{verb} {report.objects} objects, {report.bytes:,} bytes, {report.manifests} superseded manifests"
    )
    for day in report.kept_days:
        click.echo(f"left alone, its manifest or pointer is unreadable: {day}", err=True)
