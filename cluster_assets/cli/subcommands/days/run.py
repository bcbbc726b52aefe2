"""`cluster-assets run`: materialize days through Dagster, with progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cluster_assets.cli.progress import day_progress
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.operations.progress import listening
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.partitions import check_partitions

if TYPE_CHECKING:
    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="The day, or the first of a range.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="Last day of the range, inclusive.")
@click.option("--force", is_flag=True, help="Recompute even if nothing changed.")
def run(pipeline: str, day: str, last: str | None, force: bool) -> None:
    """Compute and publish days of PIPELINE; exit 0 only if all blocking checks pass on all days."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    days = tuple(days_between(parse_day(day), parse_day(last or day)))
    run_days(spec, days, settings, force=force)


def run_days(spec: PipelineSpec, days: tuple[Day, ...], settings: Settings, *, force: bool) -> None:
    """Materialize days with a progress bar and a line per day on standard error.

    Raises:
        ClusterAssetsError: A day is not a partition, or failed; the others were computed.
    """
    check_partitions(spec, days)
    # Imported here: Dagster takes half a second, which a refusal must not wait for.
    from cluster_assets.operations.runs import materialize_days

    with day_progress(spec) as progress, listening(progress.show):
        progress.expect(days)
        materialize_days(spec, days, settings, force=force)
