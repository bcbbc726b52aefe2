"""`cluster-assets sample`: honeypot-like traffic with known campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cluster_assets.domain.partitions import parse_day
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings


@click.command()
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Default: CLUSTER_HOME/lake."
)
@click.option("--start", default="2013-03-03", show_default=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--entities", default=1200, show_default=True, type=click.IntRange(min=1), help="Addresses a day."
)
@click.option("--rows-per-entity", default=3.2, show_default=True, type=click.FloatRange(min=1))
@click.option("--seed", default=7, show_default=True)
@click.option("--clean", is_flag=True, help="Without the nulls and impossible places of real data.")
def sample(output: Path | None, start: str, *, clean: bool, **size: Any) -> None:
    """Write one Parquet file of traffic a day, and its truth, to a folder."""
    config = SampleConfig(
        output=output or load_settings().lake_dir, first_day=parse_day(start), dirt=not clean, **size
    )
    report = write_sample(config)
    click.echo(
        f"{report.rows:,} rows in {len(report.files)} files, {report.bytes:,} bytes, {report.seconds:.1f} s"
    )
