"""`cluster-assets show`: what a day came to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import parse_day
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings
from cluster_assets.stages.lineage_chain import stale_days
from cluster_assets.summaries import COLUMNS, DaySummary, summarize_day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.partitions import Day
    from cluster_assets.stages.ledger import Ledger


@click.command()
@click.argument("pipeline")
@click.option("--day", metavar="YYYY-MM-DD", help="One day, or the first of a range; all when left out.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day of the range, included.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(pipeline: str, day: str | None, last: str | None, form: str) -> None:
    """Summary of PIPELINE: entities, points, pairs, clusters, noise, bytes scanned, seconds, cost.

    Of a range those of its days that are published, and their sum.
    """
    ledger = open_ledger(pipeline)
    if day and not last:
        summaries = [summarize_day(ledger, parse_day(day))]
    else:
        summaries = [summarize_day(ledger, each) for each in _days_within(ledger, day, last)]
    if form == "json":
        bodies = [summary.to_json() for summary in summaries]
        click.echo(json.dumps(bodies[0] if day and not last else bodies, indent=2))
    else:
        print_summary(pipeline, summaries)
        print_checks(summaries, failed_only=not day or bool(last))
        _print_stale_lineage(ledger, pipeline)


def _days_within(ledger: Ledger, first: str | None, last: str | None) -> list[Day]:
    """The published days of a range; an end that is left out is open.

    Raises:
        SpecError: A day is none, the range is backwards, or no day in it is published.
    """
    days = ledger.days("clusters")
    since, until = (parse_day(text) if text else None for text in (first, last))
    if since and until and until.key < since.key:
        raise SpecError(f"{until} is before {since}", where="--to", remedy="give the later day as --to")
    found = [
        day for day in days if (not since or day.key >= since.key) and (not until or day.key <= until.key)
    ]
    if (first or last) and not found:
        raise SpecError(
            f"no day of {ledger.pipeline} from {first or 'the first'} to {last or 'the last'} is published",
            where=f"published: {days[0]} to {days[-1]}" if days else "published: none",
            remedy=f"choose other days, or materialize these: cluster-assets run {ledger.pipeline} --day …",
        )
    return found


def _print_stale_lineage(ledger: Ledger, pipeline: str) -> None:
    """Say which days of lineage no longer stand on what lies before them, where there are any."""
    spec = load_pipeline_named(pipeline, load_settings().defs_dirs)
    if stale := stale_days(ledger, spec):
        click.echo(
            f"lineage of {len(stale)} days is missing or stale, the first is {stale[0].day} "
            f"({stale[0].reason}): cluster-assets repair {pipeline}",
            err=True,
        )


def print_summary(title: str, summaries: Sequence[DaySummary]) -> None:
    """Print the table; a file or pipe has no width, so there it is as wide as it needs to be."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(summary_table(title, summaries))


def print_checks(summaries: Sequence[DaySummary], *, failed_only: bool) -> None:
    """Print what the checks of the days found when they were published, a line each."""
    for summary in summaries:
        for stage, outcomes in summary.checks.items():
            for outcome in outcomes:
                if not (failed_only and outcome.passed):
                    click.echo(
                        f"{summary.day}  {outcome.state:7}  {stage}.{outcome.name}: {outcome.description}"
                    )


def summary_table(title: str, summaries: Sequence[DaySummary]) -> Table:
    """The days as a table, with a line of sums when there are several."""
    table = Table(title=title, title_justify="left")
    table.add_column("day", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    for summary in summaries:
        body = summary.to_json()
        table.add_row(summary.day.key, *(_cell(name, body[name]) for name in COLUMNS))
    if len(summaries) > 1:
        table.add_section()
        table.add_row("all", *(_sum_cell(name, summaries) for name in COLUMNS))
    return table


def _sum_cell(name: str, summaries: Sequence[DaySummary]) -> str:
    if name == "noise_ratio":
        entities = sum(summary.entities for summary in summaries)
        return _cell(name, sum(summary.noise for summary in summaries) / entities if entities else 0.0)
    return _cell(name, sum(summary.to_json()[name] for summary in summaries))


def _cell(name: str, value: Any) -> str:
    if name == "noise_ratio":
        return f"{value:.1%}"
    if name == "seconds":
        return f"{value:.2f}"
    if name.endswith("_usd"):
        return f"{value:.4f}"
    return f"{value:,}"
