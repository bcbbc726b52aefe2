"""`make demo`: sample data, one week of the demo pipelines through Dagster, a printed summary."""

from __future__ import annotations

import time

import click
from rich.console import Console

from cluster_assets.cli import run_command
from cluster_assets.cli.run import run_days
from cluster_assets.cli.show import print_summary
from cluster_assets.composition import open_storage
from cluster_assets.domain.partitions import days_between, parse_day
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, Settings, load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.summaries import summarize_day

PIPELINES = ("attackers", "origins", "behaviours")


@click.command()
@click.option("--first", required=True)
@click.option("--last", required=True)
def demo(first: str, last: str) -> None:
    """Run the demo from `first` to `last`."""
    started = time.perf_counter()
    settings = load_settings()
    days = tuple(days_between(parse_day(first), parse_day(last)))
    console = Console(stderr=True)
    if settings.source_variables.get("CLUSTER_REAL_DATA"):
        console.print("source: the real honeypot data in CLUSTER_REAL_DATA", highlight=False)
    else:
        report = write_sample(SampleConfig(output=settings.lake_dir, first_day=days[0], days=len(days)))
        console.print(f"source: {report.rows:,} generated rows in {settings.lake_dir}", highlight=False)
    for name in PIPELINES:
        run_days(load_pipeline_named(name, (PACKAGED_DEFS,)), days, settings, force=False)
    _print_summary(settings, first, last)
    click.echo(f"\n{len(days)} days of {len(PIPELINES)} pipelines in {time.perf_counter() - started:.0f} s")
    click.echo(_NEXT.format(day=last))


def _print_summary(settings: Settings, first: str, last: str) -> None:
    store, catalog = open_storage(settings)
    for name in PIPELINES:
        ledger = Ledger(store, catalog, name)
        days = [day for day in ledger.days("clusters") if first <= day.key <= last]
        print_summary(name, [summarize_day(ledger, day) for day in days])


_NEXT = """
Look next:
  make ui                                              the asset graph, its partitions and their numbers
  .venv/bin/cluster-assets show attackers --day {day}
  .venv/bin/cluster-assets export attackers clusters --day {day} --output clusters.csv
  .venv/bin/cluster-assets new --help                  your own table in five minutes"""

if __name__ == "__main__":
    run_command(demo)
