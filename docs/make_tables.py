"""Write `docs/tables.md` from the table contracts: `python -m docs.make_tables`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.spec.features import Features
from cluster_assets.stages.points.kinds import columns_of
from cluster_assets.stages.sequence import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE = Path(__file__).parent / "tables.md"
_INTRODUCTION = """\
# Tables

*Written by `make tables` from the contracts in `cluster_assets/domain/tables.py`; Dagster shows the same \
descriptions on each asset.*

Every table has one partition for each UTC day. On AWS its name is `<database>.<pipeline>_<table>`; \
`cluster-assets export PIPELINE TABLE --day D --output FILE` writes it to a file."""
_PLACE = {"latitude": "max(lat)", "longitude": "max(lon)"}
_KINDS: dict[str, dict[str, Any]] = {
    "set": {"set": "category"},
    "vector": {"vector": ["avg(margin)", "count(*)"]},
    "embedding": {"embedding": "any_value(embedding)"},
    "geo": {"geo": _PLACE},
    "text": {"text": "max(user_agent)"},
    "mixed": {
        "mixed": {
            "price": {"number": "avg(price)"},
            "home": {"geo": {"latitude": "max(lat)", "longitude": "max(lon)"}},
        }
    },
}


def page() -> str:
    """The page as Markdown."""
    return (
        "\n".join([_INTRODUCTION, *_tables(), "", "## Feature columns of `points`", "", *_feature_columns()])
        + "\n"
    )


def _tables() -> Iterator[str]:
    for stage, tables in TABLES.items():
        if tables:
            yield f"\n## Asset `{stage}`"
        for table in tables:
            yield f"\n### `{table.name}`\n\n{table.description}\n"
            yield from _rows(
                ("column", "type", "holds"), ((one.name, one.type, one.description) for one in table.columns)
            )
            if table.name == "points":
                yield "\nThen the [columns of the features](#feature-columns-of-points)."
            if table.name == "clusters":
                yield "\n`probability` exists for `hdbscan` only."


def _feature_columns() -> Iterator[str]:
    yield from _rows(
        ("kind", "column", "type", "holds"),
        (
            (kind, one.name, one.type, one.description)
            for kind, example in _KINDS.items()
            for one in columns_of(Features.model_validate(example))
        ),
    )


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A Markdown table whose names and types are code."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for *names, text in rows:
        yield f"| {' | '.join(f'`{name}`' for name in names)} | {text} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
