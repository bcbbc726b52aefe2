"""The command line: `cluster-assets run | show | export | new | sample | doctor | gc`."""

from __future__ import annotations

import sys

import click

from cluster_assets.cli.doctor import doctor
from cluster_assets.cli.export import export
from cluster_assets.cli.gc import gc
from cluster_assets.cli.new import new
from cluster_assets.cli.run import run
from cluster_assets.cli.sample import sample
from cluster_assets.cli.show import show
from cluster_assets.domain.errors import ClusterAssetsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cluster-assets")
def commands() -> None:
    """Cluster a table every day, exactly: raw -> points -> candidates -> clusters."""


for command in (run, show, export, new, sample, doctor, gc):
    commands.add_command(command)


def main() -> None:
    """Run a command; our own errors end it with their text and exit status 1."""
    try:
        commands()
    except ClusterAssetsError as error:
        click.secho("error: ", fg="red", bold=True, nl=False, err=True)
        click.echo(str(error), err=True)
        sys.exit(1)
