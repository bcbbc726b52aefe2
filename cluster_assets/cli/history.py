"""`cluster-assets history`: the life of a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from cluster_assets.composition import open_backend
from cluster_assets.pipeline_files import load_pipeline_named
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.lineage_history import find_id, life_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.lineage import LifeEvent


@click.command()
@click.argument("pipeline")
@click.option(
    "--cluster",
    "name",
    required=True,
    metavar="ID",
    help="A stable id, as 20130304-000012, or a day and a number, as 2013-03-04/12.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def history(pipeline: str, name: str, form: str) -> None:
    """Life of a cluster of PIPELINE: each day its size, what happened, and its parents and children."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        stable_id = find_id(ledger, backend.engine, name)
        life = life_of(ledger, backend.engine, stable_id)
    if form == "json":
        body = {"pipeline": pipeline, "stable_id": stable_id, "days": [event.to_json() for event in life]}
        click.echo(json.dumps(body, indent=2))
        return
    console = Console()
    # A file or pipe has no width, so there the table is as wide as it needs to be.
    (console if console.is_terminal else Console(width=200)).print(_table(pipeline, stable_id, life))


def _table(pipeline: str, stable_id: str, life: Sequence[LifeEvent]) -> Table:
    table = Table(title=f"{pipeline} {stable_id}", title_justify="left")
    for name in ("day", "event"):
        table.add_column(name, no_wrap=True)
    for name in ("number", "entities", "before", "shared", "jaccard"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("known by", "parents", "children"):
        table.add_column(name)
    for event in life:
        table.add_row(
            event.day,
            event.event,
            "" if event.cluster is None else str(event.cluster),
            f"{event.entities:,}",
            f"{event.previous_entities:,}",
            f"{event.shared:,}",
            f"{event.jaccard:.2f}",
            event.evidence or "",
            " ".join(event.parents),
            " ".join(event.children),
        )
    return table
