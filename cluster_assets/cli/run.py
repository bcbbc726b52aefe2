"""`cluster-assets run`: materialize days through Dagster, with progress."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import Day, days_between, parse_day
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.stages.stage import PROGRESS, REFUSALS
from cluster_assets.stages.way import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.settings import Settings
    from cluster_assets.stages.stage import DayResult


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="The day, or the first of a range.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day of the range, included.")
@click.option("--force", is_flag=True, help="Recompute although nothing changed.")
def run(pipeline: str, day: str, last: str | None, force: bool) -> None:
    """Materialize days of PIPELINE; exit 0 only when every asset and blocking check of every day passed."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    days = tuple(days_between(parse_day(day), parse_day(last or day)))
    run_days(spec, days, settings, force=force)


def run_days(spec: PipelineSpec, days: tuple[Day, ...], settings: Settings, *, force: bool) -> None:
    """Materialize days with a progress bar and a line per day on standard error.

    Raises:
        ClusterAssetsError: A day is no partition, or failed.
    """
    check_partitions(spec, days)
    console = Console(stderr=True)
    with _progress(console, len(days) * len(STAGE_NAMES)) as progress:
        handler = _DayLines(console, progress)
        for logger in (PROGRESS, REFUSALS):
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            materialize_days(spec, days, settings, force=force)
        finally:
            for logger in (PROGRESS, REFUSALS):
                logger.removeHandler(handler)


def check_partitions(spec: PipelineSpec, days: tuple[Day, ...]) -> None:
    """Refuse days that are no partitions.

    Raises:
        SpecError: With the first of them, and the days there are.
    """
    # Today is not over: its partition begins to exist tomorrow, as Dagster has it.
    yesterday = Day(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
    last = min(spec.last_day or yesterday, yesterday)
    outside = [day for day in days if not spec.first_day <= day <= last]
    if outside:
        raise SpecError(
            f"{outside[0]} is not a partition of {spec.name}",
            where=f"days from {spec.first_day} to {last}",
            remedy="choose a day in that range, or change start_date or end_date in the YAML",
        )


def _progress(console: Console, total: int) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    progress.add_task("starting", total=total)
    return progress


class _DayLines(logging.Handler):
    """Turns the stages' progress records into a bar, one line per clustered day and one per failed check."""

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__()
        self._console = console
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == REFUSALS.name:
            self._print_failed(record.__dict__["error"].outcomes, record.getMessage())
            return
        result: DayResult = record.__dict__["day_result"]
        self._print_failed(result.checks, record.getMessage())
        self._progress.update(self._progress.task_ids[0], advance=1, description=record.getMessage())
        if result.manifest.stage == "clusters":
            self._console.print(_line(result), highlight=False)

    def _print_failed(self, outcomes: Iterable[CheckOutcome], place: str) -> None:
        for outcome in outcomes:
            if not outcome.passed:
                word = Text(f"{outcome.state}: ", style="red" if outcome.blocking else "yellow")
                self._console.print(
                    word.append(f"{place} {outcome.name}: {outcome.description}", style="none")
                )


def _line(result: DayResult) -> str:
    manifest = result.manifest
    metrics = manifest.metrics
    state = "unchanged" if result.reused else f"{metrics['seconds']:.2f} s"
    return (
        f"{manifest.day}  {manifest.pipeline}: {metrics['entities']} entities, "
        f"{metrics['clusters']} clusters, noise {float(metrics['noise_ratio']):.1%}  ({state})"
    )
