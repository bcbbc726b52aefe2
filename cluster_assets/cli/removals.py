"""What `drop` and `rename` print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    from cluster_assets.operations.removal import Removal


def echo_removal(verb: str, found: Removal) -> None:
    """Print a line for each kind of thing that a pipeline has, and what is left alone."""
    if found.path is not None:
        click.echo(f"{verb}: {found.path}")
    for stage, days in found.days.items():
        click.echo(f"{verb}: {found.name}/{stage}, {counted(days, 'published day')}")
    click.echo(f"{verb}: {counted(len(found.keys), 'object')}, {counted(found.bytes, 'byte')}")
    click.echo(f"{verb}: Dagster's records of {counted(len(found.assets), 'asset')}")
    for asset, address in found.publications.items():
        click.echo(f"left alone: {found.name}/{asset}, last written to {address}")
