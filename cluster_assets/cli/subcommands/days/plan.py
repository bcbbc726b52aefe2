"""`cluster-assets plan`: the estimated cost of a day; nothing is computed or published."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from rich.table import Table

from cluster_assets.cli.tables import table_console
from cluster_assets.domain.costs import AthenaPrice, LambdaPrice
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import last_ended, not_ended, parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.opening import open_backend
from cluster_assets.operations.estimates import estimate_day
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.operations.estimates import DayEstimate, Pairs


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="The day.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def plan(pipeline: str, day: str, form: str) -> None:
    """Estimate bytes, pairs, invocations, memory and price of a day of PIPELINE; compute nothing."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    asked, last = parse_day(day), spec.last_day
    if asked < spec.first_day or (last is not None and asked > last):
        raise SpecError(
            f"{asked} is not a partition of {spec.name}",
            where=f"days from {spec.first_day}" + (f" to {last}" if last is not None else ""),
            remedy="choose a day in that range, or change start_date or end_date in the YAML",
        )
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        estimate = estimate_day(DayJob(spec, backend, ledger, asked))
    if asked > last_ended(dt.datetime.now(dt.UTC)):
        estimate = replace(estimate, notes=(not_ended(asked), *estimate.notes))
    if form == "json":
        click.echo(json.dumps(estimate.to_json(), indent=2))
        return
    table = Table(title=f"{estimate.pipeline}, {estimate.day}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(estimate):
        table.add_row(name, value)
    table_console().print(table)


def _lines(estimate: DayEstimate) -> Iterator[tuple[str, str]]:
    yield "stages", ", ".join(f"{name} {state}" for name, state in estimate.stages.items())
    yield "source", f"{counted(estimate.source_files, 'file')}, {counted(estimate.source_bytes, 'byte')}"
    yield "bytes to scan", f"{estimate.bytes_to_scan:,} (chunks of the columns that are read)"
    yield from _pair_lines(estimate.pairs, estimate.pairs_limit)
    yield from _worker_lines(estimate)
    usd = "unknown" if estimate.lambda_usd is None else f"${estimate.lambda_usd:.4f}"
    yield (
        "on AWS",
        (
            f"Athena ${estimate.athena_usd:.4f}, Lambda {usd} "
            f"(list prices of {AthenaPrice().as_of} and {LambdaPrice().as_of})"
        ),
    )
    if estimate.notes:
        yield "notes", "\n".join(estimate.notes)


def _worker_lines(estimate: DayEstimate) -> Iterator[tuple[str, str]]:
    if estimate.lambda_usd is None:
        missing = "points" if estimate.pairs is None else "candidates"
        yield "worker", f"unknown until the {missing} of a day are published"
        return
    memory = f", about {estimate.worker_memory_mb:,} MB" if estimate.worker else ""
    yield "worker", f"{counted(estimate.invocations, 'invocation')}{memory}"
    for stage in dict.fromkeys(step.stage for step in estimate.worker):
        steps = [step for step in estimate.worker if step.stage == stage]
        yield f"  {stage}", ", ".join(f"{step.invocations:,} {step.operation}" for step in steps)
    yield "worker time", f"about {estimate.worker_seconds:,.1f} s in all"


def _pair_lines(pairs: Pairs | None, limit: int) -> Iterator[tuple[str, str]]:
    if pairs is None:
        yield "pairs", "unknown until the points of a day are published"
        return
    yield "points", f"{pairs.points:,} (counted on {pairs.basis})"
    yield "executor", f"{pairs.executor}: {pairs.reason}"
    if pairs.reuse:
        yield "reuse", pairs.reuse
    if pairs.comparisons is None:
        yield "pairs", "known once the blocks are cut"
        return
    verdict = "" if pairs.comparisons <= limit else "; they are counted, and refused if more are near"
    yield "pairs", f"at most {pairs.comparisons:,}; limits.max_pairs allows {limit:,}{verdict}"
