"""The days of a pipeline as a table that fits the terminal, with a legend of its marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cluster_assets.cli.tables import Column, make_table, print_table
from cluster_assets.domain.counts import counted
from cluster_assets.operations.summaries import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from cluster_assets.operations.summaries import DaySummary

STALE_MARK = "*"
# The most important columns first. Other columns are left out if they are 0 on every day.
_IMPORTANT = ("entities", "clusters", "noise", "rows", "points", "pairs", "noise_ratio")
_FURTHER = ("warnings", "excluded", "seconds", "cost_usd", "bytes_scanned", "foreseen_usd")
_LEAST_USD = 0.0001


def print_summary(title: str, summaries: Sequence[DaySummary], *, wide: bool = False) -> None:
    """Print the days with as many columns as fit, or all with `wide`, and why days are marked."""
    print_table(title, _columns(summaries, wide=wide), wide=wide, has_sums=len(summaries) > 1)
    stale = [summary for summary in summaries if summary.stale]
    if stale:
        reasons = "; ".join(dict.fromkeys(reason for summary in stale for reason in summary.stale))
        click.echo(
            f"{STALE_MARK} {counted(len(stale), 'day is', 'days are')} stale: {reasons}. Run again: "
            f"cluster-assets backfill {stale[0].pipeline} --from {stale[0].day} --to {stale[-1].day}"
        )


def summary_table(title: str, summaries: Sequence[DaySummary]) -> Table:
    """Return the days as a table with every column, and a line of sums if there are several days."""
    return make_table(title, _columns(summaries, wide=True), has_sums=len(summaries) > 1)


def _columns(summaries: Sequence[DaySummary], *, wide: bool) -> list[Column]:
    several = len(summaries) > 1
    days = [f"{summary.day} {STALE_MARK}" if summary.stale else summary.day.key for summary in summaries]
    columns = [Column("day", (*days, *(["all"] if several else [])), 0, is_number=False)]
    for name in COLUMNS:
        values = [getattr(summary, name) for summary in summaries]
        if not (wide or name in _IMPORTANT or any(values)):
            continue
        cells = [_cell(name, value) for value in values]
        if several:
            cells.append(_cell(name, _sum(name, values, summaries)))
        columns.append(Column(name.replace("_", " "), tuple(cells), _importance(name)))
    return columns


def _importance(name: str) -> int:
    order = (*_IMPORTANT, *_FURTHER)
    return 1 + (order.index(name) if name in order else len(order))


def _sum(name: str, values: Sequence[Any], summaries: Sequence[DaySummary]) -> Any:
    if name == "noise_ratio":
        entities = sum(summary.entities for summary in summaries)
        return sum(summary.noise for summary in summaries) / entities if entities else 0.0
    return sum(values)


def _cell(name: str, value: Any) -> str:
    if name == "noise_ratio":
        return f"{value:.1%}"
    if name == "seconds":
        return f"{value:,.2f}"
    if name.endswith("_usd"):
        return f"<{_LEAST_USD}" if 0 < value < _LEAST_USD else f"{value:,.4f}"
    return f"{value:,}"
