"""Casts of Parquet columns to their declared types, file by file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.files import from_item
from cluster_assets.backends.duckdb.types import duckdb_type
from cluster_assets.spec.expressions.number_texts import text_of_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.domain.tables import Column


_Cast = tuple[str, str, str]  # column, type in the file, declared type


def cast_item(relation: FileRelation, found: Mapping[str, tuple[Column, ...]], *, with_path: bool) -> str:
    """Return files as a FROM item; columns of other types than declared are cast before the union.

    DuckDB itself would read whole numbers next to fractions as doubles, and round large ones.

    Args:
        relation: Parquet files with declared types.
        found: Columns of each file.
        with_path: Whether the statement asks for the file of each row.
    """
    wanted = {name.lower(): kind for name, kind in relation.types.items()}
    groups: dict[tuple[_Cast, ...], list[str]] = {}
    for uri in relation.uris:
        casts = tuple(
            (column.name, column.type, wanted[column.name.lower()])
            for column in found[uri]
            if wanted.get(column.name.lower(), column.type) != column.type
        )
        groups.setdefault(casts, []).append(uri)
    if set(groups) == {()}:
        return from_item(relation, with_path=with_path)
    parts = [
        _selected(from_item(replace(relation, uris=tuple(uris)), with_path=with_path), casts)
        for casts, uris in groups.items()
    ]
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _selected(item: str, casts: tuple[_Cast, ...]) -> str:
    changed = [exp.alias_(_cast(*cast), cast[0], quoted=True) for cast in casts]
    columns = exp.Star(replace=changed) if changed else exp.Star()
    return f"SELECT {columns.sql('duckdb')} FROM {item}"


def _cast(name: str, found: str, wanted: str) -> exp.Expr:
    value: exp.Expr = exp.column(name, quoted=True)
    if wanted == "varchar" and found in ("real", "double"):
        value = text_of_number(value)
    return exp.cast(value, duckdb_type(wanted))
