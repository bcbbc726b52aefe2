"""Parquet columns with different types in different files: read as one type or refused, never rounded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.ports import FileRelation, Statement
from cluster_assets.domain.column_types import MOST_DIGITS, is_number, is_too_wide
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Relation, SqlEngine
    from cluster_assets.domain.tables import Column


def refuse_wide_decimals(column: Column, uri: str) -> None:
    """Refuse a column that an engine would round to doubles.

    Raises:
        SourceSchemaError: The column has decimals of more digits than any engine reads exactly.
    """
    if is_too_wide(column.type):
        raise SourceSchemaError(
            f"the column {column.name} is {column.type}, and the engines read at most {MOST_DIGITS} digits",
            where=uri,
            remedy=f"write {column.name} as decimal({MOST_DIGITS},s), as double or as text",
        )


def check_casts(
    engine: SqlEngine,
    relation: Relation,
    found: Mapping[str, tuple[Column, ...]],
    wanted: Mapping[str, str],
) -> None:
    """Check the values of columns that are read as a type other than the file's.

    Args:
        engine: Runs the casts.
        relation: The source.
        found: Columns of each file.
        wanted: Wanted types by column; empty if nothing is cast.

    Raises:
        SourceSchemaError: A value changes in the wanted type.
    """
    if not wanted or not isinstance(relation, FileRelation):
        return
    as_they_are = replace(relation, types={})
    types = {name.lower(): kind for name, kind in wanted.items()}
    for uri, columns in found.items():
        for column in columns:
            target = types.get(column.name.lower(), column.type)
            if column.type == target or not is_number(target):
                continue
            count, example = _changed(engine, replace(as_they_are, uris=(uri,)), column, target)
            if count:
                raise SourceSchemaError(
                    f"the column {column.name} is {column.type} in this file and read as {target}, which "
                    f"changes {counted(count, 'value')}, such as {example}",
                    where=uri,
                    remedy=_remedy(column.name, column.type, target),
                )


def _remedy(name: str, kind: str, target: str) -> str:
    if target == "double" and kind == "bigint":
        return (
            f"write {name} with one type to all files; a double holds integers up to 2^53 only. If all "
            f"values are integers, declare raw.columns: {{{name}: bigint}}"
        )
    if is_number(kind):
        return f"declare raw.columns: {{{name}: double}}, or write {name} with one type to all files"
    return (
        f"correct the values, or declare raw.columns: {{{name}: varchar}} and use "
        f"try_cast({name} AS {target})"
    )


def _changed(
    engine: SqlEngine, relation: FileRelation, column: Column, target: str
) -> tuple[int, str | None]:
    """Return how many values of a file change in another type, with an example."""
    # Texts are compared as numbers, so that 1.50 equals 1.5.
    exact = "DECIMAL(38, 10)" if "double" not in (column.type, target) else "DOUBLE"
    cast = f"TRY_CAST(raw.v AS {target})"
    same = f"TRY_CAST({cast} AS {column.type}) = raw.v"
    if column.type == "varchar":
        same = f"CAST({cast} AS {exact}) = TRY_CAST(raw.v AS {exact})"
    query = (
        "SELECT count(*) AS changed, min(CAST(raw.v AS VARCHAR)) AS example FROM raw "
        f"WHERE raw.v IS NOT NULL AND NOT coalesce({same}, FALSE)"
    )
    tree = sqlglot.parse_one(query, read=DIALECT, into=exp.Select)
    for value in tree.find_all(exp.Column):
        # Set on the tree, as everywhere: names are never pasted into SQL.
        value.set("this", exp.to_identifier(column.name, quoted=True))
    (row,) = engine.fetch(Statement(f"reading {column.name} as {target}", tree), {"raw": relation}).rows
    return int(row["changed"]), row["example"]
