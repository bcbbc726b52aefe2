"""`cluster-assets doctor`: check the installation, and say how to fix problems."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cluster_assets.domain.counts import counted
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from cluster_assets.operations.diagnosis.examination import Finding


@click.command()
def doctor() -> None:
    """Check settings, folders, SQL engine, worker, pipelines and sources; exit 1 if a check fails.

    Missing sample data is only a note, because only the demo pipelines read it.
    """
    passed = failed = notes = 0
    for finding in examine(load_settings()):
        _print(finding)
        notes += finding.note
        passed += finding.ok and not finding.note
        failed += not finding.ok
    noted = f", {counted(notes, 'note')}" if notes else ""
    click.echo(f"{passed} of {counted(passed + failed, 'check')} passed{noted}")
    sys.exit(1 if failed else 0)


def _print(finding: Finding) -> None:
    word, color = ("note", "yellow") if finding.note else ("ok", "green") if finding.ok else ("failed", "red")
    click.secho(f"{word:6} ", fg=color, nl=False)
    click.echo(f"{finding.name}: {finding.text}")
