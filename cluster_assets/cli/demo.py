"""`make demo`: sample data, one week of the demo pipelines through Dagster, a printed summary."""

from __future__ import annotations

import time

import click
from rich.console import Console

from cluster_assets.cli import run_command
from cluster_assets.cli.day_table import print_summary
from cluster_assets.cli.subcommands.days.run import run_days
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.publish.targets import FOLDER
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, Settings, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger

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
        settings.make_home()
        report = write_sample(SampleConfig(output=settings.lake_dir, first_day=days[0], days=len(days)))
        rows = counted(report.rows, "generated row")
        console.print(f"source: {rows} in {settings.lake_dir}", highlight=False, soft_wrap=True)
    for name in PIPELINES:
        run_days(load_pipeline_named(name, (PACKAGED_DEFS,)), days, settings, force=False)
    _print_summary(settings, first, last)
    seconds = time.perf_counter() - started
    click.echo(f"\n{counted(len(days), 'day')} of {len(PIPELINES)} pipelines in {seconds:.0f} s")
    click.echo(_NEXT.format(day=last, published=settings.home_dir / FOLDER))


def _print_summary(settings: Settings, first: str, last: str) -> None:
    store, catalog = open_storage(settings)
    for name in PIPELINES:
        ledger = Ledger(store, catalog, name)
        days = [day for day in ledger.days("clusters") if first <= day.key <= last]
        print_summary(name, [summarize_day(ledger, day) for day in days])


_NEXT = """
Look next:
  make ui                                              the asset graph, its partitions and their numbers
  .venv/bin/cluster-assets serve                       attackers in the browser, and over HTTP (docs/api.md)
  .venv/bin/cluster-assets show attackers --day {day}
  .venv/bin/cluster-assets export attackers clusters --day {day} --output clusters.csv
  .venv/bin/cluster-assets new --help                  your own table in five minutes
Published for other teams (docs/publishing.md):
  {published}/json/attackers/clusters/day={day}.jsonl.gz
  {published}/serving.sqlite"""

if __name__ == "__main__":
    run_command(demo)
