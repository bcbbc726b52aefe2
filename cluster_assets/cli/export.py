"""`cluster-assets export`: one table of one day as a file."""

from __future__ import annotations

from pathlib import Path

import click

from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.composition import open_storage
from cluster_assets.domain.partitions import parse_day
from cluster_assets.exports import TABLES, export_table
from cluster_assets.settings import load_settings


@click.command()
@click.argument("pipeline")
@click.argument("table", metavar="[" + "|".join(TABLES) + "]")
@click.option("--day", required=True, metavar="YYYY-MM-DD")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ends in .parquet, .csv, .json or .jsonl (JSON lines).",
)
def export(pipeline: str, table: str, day: str, output: Path) -> None:
    """Write TABLE of PIPELINE for one day to a file."""
    store, _ = open_storage(load_settings())
    rows = export_table(open_ledger(pipeline), table, parse_day(day), output, store)
    click.echo(f"{rows:,} rows of {pipeline}.{table} for {day} in {output}")
