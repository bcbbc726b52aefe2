"""`cluster-assets plan`: what a day would take; nothing is computed or published."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from cluster_assets.composition import open_backend
from cluster_assets.domain.partitions import parse_day
from cluster_assets.domain.prices import AthenaPrice, LambdaPrice
from cluster_assets.estimates import estimate_day
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.stage import DayJob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.estimates import DayEstimate, Pairs


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="The day.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def plan(pipeline: str, day: str, form: str) -> None:
    """What a day of PIPELINE would take: bytes, pairs, invocations, memory, price. Runs nothing."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        estimate = estimate_day(DayJob(spec, backend, ledger, parse_day(day)))
    if form == "json":
        click.echo(json.dumps(estimate.to_json(), indent=2))
        return
    table = Table(title=f"{estimate.pipeline}, {estimate.day}", title_justify="left", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(estimate):
        table.add_row(name, value)
    Console().print(table)


def _lines(estimate: DayEstimate) -> Iterator[tuple[str, str]]:
    yield "stages", ", ".join(f"{name} {state}" for name, state in estimate.stages.items())
    yield "source", f"{estimate.source_files:,} files, {estimate.source_bytes:,} bytes"
    yield "bytes to scan", f"{estimate.bytes_to_scan:,} (chunks of the columns that are read)"
    yield from _pair_lines(estimate.pairs, estimate.pairs_limit)
    yield "worker", f"{estimate.invocations} invocation, about {estimate.worker_memory_mb:,} MB"
    yield "worker time", f"at most about {estimate.worker_seconds:,.1f} s"
    yield (
        "on AWS",
        (
            f"Athena ${estimate.athena_usd:.4f}, Lambda ${estimate.lambda_usd:.4f} "
            f"(list prices of {AthenaPrice().as_of} and {LambdaPrice().as_of})"
        ),
    )


def _pair_lines(pairs: Pairs | None, limit: int) -> Iterator[tuple[str, str]]:
    if pairs is None:
        yield "pairs", "unknown until points of some day are materialized"
        return
    yield "points", f"{pairs.points:,} (counted on {pairs.basis})"
    yield "executor", f"{pairs.executor}: {pairs.reason}"
    if pairs.comparisons is None:
        yield "pairs", "known once the blocks are cut"
        return
    verdict = "" if pairs.comparisons <= limit else "; they are counted, and refused if more are near"
    yield "pairs", f"at most {pairs.comparisons:,}; limits.max_pairs allows {limit:,}{verdict}"
