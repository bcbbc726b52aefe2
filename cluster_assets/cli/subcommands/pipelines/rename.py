"""`cluster-assets rename`: give a pipeline another name, its published days included."""

from __future__ import annotations

import click

from cluster_assets.cli.removals import echo_removal
from cluster_assets.settings import load_settings


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--yes", is_flag=True, help="Rename it; without this option, the command only lists.")
def rename(old: str, new: str, yes: bool) -> None:
    """Rename the pipeline OLD to NEW in its YAML and for all its published days.

    Reports show the name, and Dagster keeps its records by name: the backfill of NEW that the command prints
    draws the reports and records the other days without computing them. Publications under the old name stay.
    After an interruption, run the command again.
    """
    # Imported here, because loading Dagster takes a second and `--help` does not need it.
    from cluster_assets.operations.renaming import check_rename, rename_pipeline

    settings = load_settings()
    found = check_rename(old, new, settings)
    if not yes:
        echo_removal(f"would move to {new}", found)
        click.echo("Nothing was changed. Add --yes to rename it.", err=True)
        return
    rename_pipeline(old, new, settings)
    echo_removal(f"moved to {new}", found)
    click.echo(f"Next: cluster-assets backfill {new} --from FIRST --to LAST")
