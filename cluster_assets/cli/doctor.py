"""`cluster-assets doctor`: is everything in place, and if not, how to mend it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cluster_assets.diagnosis import examine
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from cluster_assets.diagnosis import Finding


@click.command()
def doctor() -> None:
    """Check settings, folders, SQL engine, worker, pipelines and their sources; exit 1 when one is ill."""
    findings = examine(load_settings())
    for finding in findings:
        _print(finding)
    ill = sum(not finding.ok for finding in findings)
    click.echo(f"{len(findings) - ill} of {len(findings)} checks passed")
    sys.exit(1 if ill else 0)


def _print(finding: Finding) -> None:
    click.secho("ok   " if finding.ok else "ill  ", fg="green" if finding.ok else "red", nl=False)
    click.echo(f"{finding.name}: {finding.text}")
