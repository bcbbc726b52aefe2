"""`cluster-assets restore`: publish days again from their manifests after the catalog was lost."""

from __future__ import annotations

import click

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.recovery import find_lost_days, restore_day


@click.command()
@click.argument("pipeline", required=False)
@click.option("--yes", is_flag=True, help="Publish the days; without it they are only listed.")
def restore(pipeline: str | None, yes: bool) -> None:
    """Find days of PIPELINE, or of all pipelines, that the catalog has lost, and publish them again.

    The catalog says which version of a day is published. If it is lost, the files and manifests in the store
    remain: each day gets its newest version whose files all exist. Days that the catalog has are not touched.
    """
    store, catalog = open_storage(load_settings())
    lost = find_lost_days(store, catalog, pipeline)
    found = [day for day in lost if day.manifest is not None]
    for day in lost:
        version = f"version {day.manifest.version}" if day.manifest else "no version can be published"
        click.echo(f"{day.place}  {version}" + (f" ({day.problem})" if day.problem else ""))
    if yes:
        for day in found:
            restore_day(catalog, day)
    what = f"{counted(len(found), 'stage of a day', 'stages of days')}"
    click.echo(f"published {what}" if yes else f"would publish {what}; publish with --yes", err=True)
    if len(found) < len(lost):
        raise IntegrityError(
            f"{counted(len(lost) - len(found), 'stage of a day has', 'stages of days have')} no version "
            "whose files all exist",
            remedy="compute these days again: cluster-assets run PIPELINE --day D",
        )
