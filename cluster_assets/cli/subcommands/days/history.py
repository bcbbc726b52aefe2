"""`cluster-assets history`: the life of a cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cluster_assets.cli.tables import Column, print_table
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.lineage.history import find_id, life_of
from cluster_assets.stages.profiles.naming import names_by_day

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.stages.lineage.events import LifeEvent

# Importance of the columns: when not all fit, the lowest numbers stay; 0 always stays.
_IMPORTANCE = {
    "day": 0,
    "event": 0,
    "name": 2,
    "number": 3,
    "entities": 1,
    "before": 6,
    "shared": 7,
    "jaccard": 8,
    "known by": 9,
    "parents": 4,
    "children": 5,
}
_TEXTS = ("day", "event", "name", "known by", "parents", "children")


@click.command()
@click.argument("pipeline")
@click.option(
    "--cluster",
    "name",
    required=True,
    metavar="ID",
    help="A stable id, e.g. 20130304-000012, or a day and a cluster number, e.g. 2013-03-04/12.",
)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--wide", is_flag=True, help="Show all columns, even if they do not fit the terminal.")
def history(pipeline: str, name: str, form: str, wide: bool) -> None:
    """Show the life of a cluster of PIPELINE: its size, events, parents and children on each day."""
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        stable_id = find_id(ledger, backend.engine, name)
        life = life_of(ledger, backend.engine, stable_id)
        names = names_by_day(ledger, backend.engine, stable_id)
    if form == "json":
        days = [{**event.to_json(), "name": names.get(event.day)} for event in life]
        body = {"pipeline": pipeline, "stable_id": stable_id, "days": days}
        click.echo(json.dumps(body, indent=2))
        return
    print_table(f"{pipeline} {stable_id}", _columns(life, names), wide=wide)


def _columns(life: Sequence[LifeEvent], names: Mapping[str, str]) -> list[Column]:
    rows = [
        (
            event.day,
            event.event,
            names.get(event.day, ""),
            "" if event.cluster is None else str(event.cluster),
            f"{event.entities:,}",
            f"{event.previous_entities:,}",
            f"{event.shared:,}",
            f"{event.jaccard:.2f}",
            event.evidence or "",
            " ".join(event.parents),
            " ".join(event.children),
        )
        for event in life
    ]
    return [
        Column(name, cells, importance, is_number=name not in _TEXTS)
        for (name, importance), cells in zip(_IMPORTANCE.items(), zip(*rows, strict=True), strict=True)
    ]
