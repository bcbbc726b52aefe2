"""`cluster-assets export`: one table of one day as a file."""

from __future__ import annotations

from pathlib import Path

import click

from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.exports import TABLES, export_table
from cluster_assets.settings import load_settings


@click.command()
@click.argument("pipeline")
@click.argument("table", metavar="[" + "|".join(TABLES) + "]")
@click.option("--day", required=True, metavar="YYYY-MM-DD")
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Path with the extension .parquet, .csv, .json or .jsonl (JSON lines).",
)
@click.option("--no-verify", is_flag=True, help="Do not compare the files with their manifests.")
def export(pipeline: str, table: str, day: str, output: Path, no_verify: bool) -> None:
    """Write TABLE of PIPELINE for one day to a file."""
    settings = load_settings()
    if no_verify:
        settings = settings.verifying(on=False)
    store, _ = open_storage(settings)
    rows = export_table(open_ledger(pipeline, settings), table, parse_day(day), output, store)
    click.echo(f"{counted(rows, 'row')} of {pipeline}.{table} for {day} in {output}")
