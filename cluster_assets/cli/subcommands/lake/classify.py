"""`cluster-assets classify`: where new items would belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from cluster_assets.cli.tables import Column, print_table
from cluster_assets.served.days import open_indexes
from cluster_assets.served.items import classify as classify_items
from cluster_assets.served.items import read_items
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from lambda_worker.serving.contract import Prediction


@click.command()
@click.argument("pipeline")
@click.option(
    "--items",
    required=True,
    type=click.File("rb"),
    help='JSON {"items": […]}, a JSON list of items, or one item in each line; - reads standard input.',
)
@click.option("--day", metavar="YYYY-MM-DD", help="Default: the newest day with an index.")
@click.option("--format", "style", type=click.Choice(["json", "table"]), default="json", show_default=True)
def classify(pipeline: str, items: BinaryIO, day: str | None, style: str) -> None:
    """Print the cluster of PIPELINE to which each item would belong, as the API answers.

    The YAML of the pipeline needs `serve`.
    """
    where = getattr(items, "name", "standard input")
    asked = read_items(items.read(), where)
    found = classify_items(open_indexes(load_settings()), pipeline, asked, day, where)
    if style == "json":
        click.echo(msgspec.json.encode(found).decode())
        return
    rows = [_row(number, one) for number, one in enumerate(found.predictions)]
    cells = zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS)
    columns = [
        Column(name, tuple(column), importance=0, is_number=name in _NUMBERS)
        for name, column in zip(_COLUMNS, cells, strict=True)
    ]
    print_table(f"{pipeline}, {found.day}", columns, wide=True)


_COLUMNS = ("item", "cluster", "stable id", "name", "role", "distance", "changes")
_NUMBERS = ("item", "cluster", "distance")


def _row(number: int, one: Prediction) -> tuple[str, ...]:
    return (
        str(number),
        str(one.cluster),
        one.stable_id or "",
        one.name or "",
        one.role,
        "" if one.distance is None else f"{one.distance:.6g}",
        ", ".join(one.changes),
    )
