"""`cluster-assets drop`: remove a pipeline with all its published days."""

from __future__ import annotations

import click

from cluster_assets.cli.removals import echo_removal
from cluster_assets.settings import load_settings


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Remove it; without this option, the command only lists.")
def drop(name: str, yes: bool) -> None:
    """Remove the pipeline NAME: YAML, published days, files and Dagster's records of its assets.

    Publications stay, because other teams read them. After an interruption, run the command again.
    """
    # Imported here, because loading Dagster takes a second and `--help` does not need it.
    from cluster_assets.operations.removal import find_pipeline, remove_pipeline

    settings = load_settings()
    if yes:
        echo_removal("removed", remove_pipeline(name, settings))
        return
    echo_removal("would remove", find_pipeline(name, settings))
    click.echo("Nothing was changed. Add --yes to remove it.", err=True)
