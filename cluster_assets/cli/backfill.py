"""`cluster-assets backfill`: the missing and stale days of a range, in parallel."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster_assets.backfills import BackfillOptions, backfill_days, days_to_run
from cluster_assets.cli.run import check_partitions
from cluster_assets.domain.partitions import days_between, parse_day
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from cluster_assets.backfill_workers import DayReport
    from cluster_assets.backfills import BackfillReport

_INTERRUPTED = 130


@click.command()
@click.argument("pipeline")
@click.option("--from", "first", required=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--to", "last", required=True, metavar="YYYY-MM-DD", help="Last day, included.")
@click.option(
    "--only",
    type=click.Choice(["missing", "stale", "all"]),
    default="stale",
    show_default=True,
    help="missing: never published. stale: these, and days whose inputs have changed. all: every day.",
)
@click.option("--force", is_flag=True, help="Recompute although nothing changed.")
@click.option(
    "--days-per-run", type=click.IntRange(1), help="Days of one Dagster run.  [CLUSTER_DAYS_PER_RUN]"
)
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--dry-run", is_flag=True, help="List the days; run nothing.")
def backfill(pipeline: str, first: str, last: str, *, dry_run: bool, **options: Any) -> None:
    """Bring about the days of PIPELINE that need it; exit 0 only when all of them are there."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    days = tuple(days_between(parse_day(first), parse_day(last)))
    check_partitions(spec, days)
    how = BackfillOptions(**options)
    if dry_run:
        for day in days_to_run(spec, days, settings, how):
            click.echo(day.key)
        return
    # Whoever ends the process means the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(spec.name, total=len(days))

        def show(report: DayReport) -> None:
            progress.update(task, advance=1, description=report.day.key)
            state = f"{report.seconds:.2f} s" if report.error is None else "failed"
            console.print(f"{report.day}  {spec.name}: {state}", highlight=False)

        report = backfill_days(spec, days, settings, how, show)
    _tell(console, report)
    if not report.ok:
        sys.exit(_INTERRUPTED if report.left else 1)


def _tell(console: Console, report: BackfillReport) -> None:
    counts = (
        f"{len(report.done)} days computed, {len(report.skipped)} needed nothing, {len(report.failed)} failed"
    )
    left = f", {len(report.left)} left: interrupted" if report.left else ""
    console.print(f"{counts}{left} ({report.seconds:.0f} s)", highlight=False)
    for day, error in report.failed.items():
        console.print(f"\n{day} failed: {error}", highlight=False, markup=False)
