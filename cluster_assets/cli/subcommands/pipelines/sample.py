"""`cluster-assets sample`: honeypot-like traffic with known campaigns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.operations.exports import require_parent
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings


@click.command()
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), help="Folder.  [default: CLUSTER_HOME/lake]"
)
@click.option("--start", default="2013-03-03", show_default=True, metavar="YYYY-MM-DD", help="First day.")
@click.option("--days", default=7, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--entities", default=1200, show_default=True, type=click.IntRange(min=1), help="Addresses per day."
)
@click.option("--rows-per-entity", default=3.2, show_default=True, type=click.FloatRange(min=1))
@click.option("--seed", default=7, show_default=True)
@click.option("--clean", is_flag=True, help="Omit the nulls and invalid places that real data has.")
def sample(output: Path | None, start: str, *, clean: bool, **size: Any) -> None:
    """Write one Parquet file of traffic per day, and the true clusters, to a folder."""
    if output is not None:
        require_parent(output)
    settings = load_settings()
    if output is None:
        settings.make_home()
    config = SampleConfig(
        output=output or settings.lake_dir, first_day=parse_day(start), dirt=not clean, **size
    )
    report = write_sample(config)
    click.echo(
        f"{counted(report.rows, 'row')} in {counted(len(report.files), 'file')}, "
        f"{counted(report.bytes, 'byte')}, {report.seconds:.1f} s"
    )
