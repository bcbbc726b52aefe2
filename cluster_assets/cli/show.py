"""`cluster-assets show`: what a day came to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.partitions import parse_day
from cluster_assets.summaries import COLUMNS, DaySummary, summarize_day

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.argument("pipeline")
@click.option("--day", metavar="YYYY-MM-DD", help="One day; all published days when left out.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(pipeline: str, day: str | None, form: str) -> None:
    """Summary of PIPELINE: entities, points, pairs, clusters, noise, bytes scanned, seconds, cost."""
    ledger = open_ledger(pipeline)
    if day:
        summaries = [summarize_day(ledger, parse_day(day))]
    else:
        summaries = [summarize_day(ledger, each) for each in ledger.days("clusters")]
    if form == "json":
        bodies = [summary.to_json() for summary in summaries]
        click.echo(json.dumps(bodies[0] if day else bodies, indent=2))
    else:
        print_summary(pipeline, summaries)


def print_summary(title: str, summaries: Sequence[DaySummary]) -> None:
    """Print the table; a file or pipe has no width, so there it is as wide as it needs to be."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(summary_table(title, summaries))


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
    if name == "cost_usd":
        return f"{value:.4f}"
    return f"{value:,}"
