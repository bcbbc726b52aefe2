"""`cluster-assets schema`: the JSON schema of pipeline files."""

from __future__ import annotations

import click

from cluster_assets.spec.yaml.schema import schema_text


@click.command()
def schema() -> None:
    """Print the JSON schema of `defs.yaml`, for editors."""
    click.echo(schema_text(), nl=False)
