"""`cluster-assets show`: the summary of a day or of several."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cluster_assets.cli.day_table import print_summary
from cluster_assets.cli.tables import Column, print_table
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError, UpstreamMissingError
from cluster_assets.opening import open_storage
from cluster_assets.operations.publications import read_publications
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.ledger.listed import ListedLedger
from cluster_assets.stages.lineage.chain import stale_days
from cluster_assets.stages.outdated import present_inputs
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.operations.summaries import DaySummary
    from cluster_assets.spec.pipeline import PipelineSpec


@click.command()
@click.argument("pipeline")
@click.option("--day", metavar="YYYY-MM-DD", help="One day, or the first of a range.  [default: all days]")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day of the range, included.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--wide", is_flag=True, help="Show all columns, even if they do not fit the terminal.")
def show(pipeline: str, day: str | None, last: str | None, form: str, wide: bool) -> None:
    """Summarize days of PIPELINE: entities, points, pairs, clusters, noise, bytes scanned, seconds, cost.

    For a range, it shows the published days and their sum, and exits with 1 if there are none. The table has
    the columns that fit the terminal. A * marks days that the current YAML would compute differently, or that
    a target of `publish` lacks.
    """
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    one = bool(day) and not last
    ledger = (Ledger if one else ListedLedger)(*open_storage(settings), spec.name)
    try:
        days = [parse_day(day or "")] if one else _days_within(ledger, day, last)
        if isinstance(ledger, ListedLedger):
            ledger.read_ahead(STAGE_NAMES[:-1], days)
        present = present_inputs(spec, ledger)
        publications = read_publications(spec, days, settings)
        summaries = [summarize_day(ledger, each, present, publications) for each in days]
    except UpstreamMissingError:
        if form == "json":
            click.echo("null" if one else "[]")
        raise
    if form == "json":
        bodies = [summary.to_json() for summary in summaries]
        click.echo(json.dumps(bodies[0] if one else bodies, indent=2))
        return
    print_summary(pipeline, summaries, wide=wide)
    if one:
        _print_largest(summaries[0], wide=wide)
    _print_contested(summaries)
    _print_checks(summaries, failed_only=not one)
    _print_stale_lineage(ledger, spec, days)


def _days_within(ledger: Ledger, first: str | None, last: str | None) -> list[Day]:
    """Return the published days of a range; a missing end leaves the range open.

    Raises:
        SpecError: A day is invalid, or the range ends before it begins.
        UpstreamMissingError: No day in it is published.
    """
    days = ledger.days("clusters")
    since, until = (parse_day(text) if text else None for text in (first, last))
    if since and until and until < since:
        raise SpecError(f"{until} is before {since}", where="--to", remedy="pass the later day as --to")
    found = [day for day in days if (not since or day >= since) and (not until or day <= until)]
    if found:
        return found
    if not days:
        raise UpstreamMissingError(
            f"no day of {ledger.pipeline} is published",
            remedy=f"compute some: cluster-assets run {ledger.pipeline} --day {first or 'YYYY-MM-DD'}",
        )
    raise UpstreamMissingError(
        f"no day of {ledger.pipeline} from {first or 'the first'} to {last or 'the last'} is published",
        where=f"published: {days[0]} to {days[-1]}",
        remedy=f"choose other days, or compute these: cluster-assets run {ledger.pipeline} --day …",
    )


def _print_stale_lineage(ledger: Ledger, spec: PipelineSpec, days: Sequence[Day]) -> None:
    """Print which of the days have a lineage that no longer agrees with the days before them, if any."""
    if stale := stale_days(ledger, spec, days):
        click.echo(
            f"lineage of {counted(len(stale), 'day')} is missing or stale, the first is {stale[0].day} "
            f"({stale[0].reason}): cluster-assets repair {spec.name}",
            err=True,
        )


def _print_largest(summary: DaySummary, *, wide: bool) -> None:
    """Print the largest clusters with their names."""
    rows = summary.largest_clusters
    if not rows:
        return
    columns = [
        Column("name", tuple(str(row["name"]) for row in rows), 0, is_number=False),
        Column("stable id", tuple(str(row["stable_id"]) for row in rows), 0, is_number=False),
        Column("entities", tuple(f"{row['entities']:,}" for row in rows), 1),
        Column("share", tuple(f"{row['share']:.1%}" for row in rows), 2),
        Column("since", tuple(str(row["first_seen"]) for row in rows), 3, is_number=False),
    ]
    title = f"{summary.pipeline} {summary.day}, {counted(len(rows), 'largest cluster')}"
    print_table(title, columns, wide=wide)


def _print_contested(summaries: Sequence[DaySummary]) -> None:
    """Print the number of merges that another library may choose differently."""
    found = [summary for summary in summaries if summary.contested_merges]
    if found:
        merges = sum(summary.contested_merges or 0 for summary in found)
        click.echo(
            f"{counted(merges, 'merge is', 'merges are')} contested on {counted(len(found), 'day')}: another "
            "merge was equally good, and another library may choose it (docs/algorithms.md, Ties)"
        )


def _print_checks(summaries: Sequence[DaySummary], *, failed_only: bool) -> None:
    """Print the check outcomes of the days at the time of publication, one per line."""
    for summary in summaries:
        for stage, outcomes in summary.checks.items():
            for outcome in outcomes:
                if not (failed_only and outcome.passed):
                    click.echo(
                        f"{summary.day}  {outcome.state:7}  {stage}.{outcome.name}: {outcome.description}"
                    )
