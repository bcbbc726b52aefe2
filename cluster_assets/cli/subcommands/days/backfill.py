"""`cluster-assets backfill`: compute the missing and stale days of a range, in parallel."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cluster_assets.cli.progress import day_progress
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import Interrupted
from cluster_assets.operations.backfills import BackfillOptions, backfill_days, days_to_run
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.partitions import check_partitions

if TYPE_CHECKING:
    from cluster_assets.operations.backfills import BackfillReport


@click.command()
@click.argument("pipeline")
@click.option("--from", "first", required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", required=True, metavar="YYYY-MM-DD", help="Last day, inclusive.")
@click.option(
    "--only",
    type=click.Choice(["missing", "stale", "all"]),
    default="stale",
    show_default=True,
    help="missing: days that were never computed; stale: also days whose inputs changed or that a target "
    "of publish lacks; all: every day.",
)
@click.option("--force", is_flag=True, help="Recompute even if nothing changed.")
@click.option(
    "--days-per-run", type=click.IntRange(1), help="Days per Dagster run.  [default: CLUSTER_DAYS_PER_RUN]"
)
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--dry-run", is_flag=True, help="List the days; compute nothing.")
def backfill(pipeline: str, first: str, last: str, *, dry_run: bool, **options: Any) -> None:
    """Compute the missing and stale days of PIPELINE; exit 0 only if all of them are published."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    days = tuple(days_between(parse_day(first), parse_day(last)))
    check_partitions(spec, days)
    how = BackfillOptions(**options)
    if dry_run:
        click.echo("".join(f"{day}\n" for day in days_to_run(spec, days, settings, how)), nl=False)
        return
    with day_progress(spec) as progress:
        report = backfill_days(spec, days, settings, how, listener=progress)
    for day, error in report.failed.items():
        click.echo(f"\n{day} failed: {error}", err=True)
    if report.left:
        raise Interrupted(_summary(report))
    click.echo(_summary(report), err=True)
    if not report.ok:
        sys.exit(1)


def _summary(report: BackfillReport) -> str:
    left = f", {len(report.left)} left" if report.left else ""
    return (
        f"{counted(len(report.done), 'day')} computed, {len(report.skipped)} up to date, "
        f"{len(report.failed)} failed{left} ({report.seconds:.0f} s)"
    )
