"""CSV and JSON files, whose types DuckDB guesses by file; columns and files without values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.column_types import ONLY_NULLS, wider
from cluster_assets.domain.tables import Column
from cluster_assets.engines.duckdb_files import PATH_COLUMN, from_item
from cluster_assets.engines.duckdb_types import athena_type
from cluster_assets.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import duckdb

# DuckDB's answer for a file with nothing in it.
_NOTHING = {"csv": ["column0"], "json": ["json"]}


def columns_of_query(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[Column, ...]:
    """The columns of a query with Athena types."""
    found = cursor.execute(f"DESCRIBE {query}").fetchall()
    return tuple(Column(row[0], athena_type(row[1])) for row in found)


def text_columns(cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str) -> tuple[Column, ...]:
    """Columns of one file as guessed; none of a file without content, without types those of a bare header.

    Raises:
        duckdb.Error: The file is not readable.
    """
    # Without the declared types: a CSV reader refuses types for columns that are not there.
    item = from_item(FileRelation((uri,), relation.format, partition_column=relation.partition_column))
    columns = columns_of_query(cursor, f"SELECT * FROM {item.sql('duckdb')}")
    hive = relation.partition_column
    guessed = [column for column in columns if column.name != hive]
    if all(column.type == "varchar" for column in guessed) and not _any_row(cursor, item):
        if [column.name for column in guessed] == _NOTHING[relation.format]:
            return ()
        return tuple(column if column.name == hive else Column(column.name, ONLY_NULLS) for column in columns)
    return columns


def declared(columns: Iterable[Column], types: Mapping[str, str]) -> tuple[Column, ...]:
    """The columns with declared types instead of guessed ones, whatever case their names are declared in."""
    lowered = {name.lower(): kind for name, kind in types.items()}
    return tuple(Column(column.name, lowered.get(column.name.lower(), column.type)) for column in columns)


def without_values(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, found: Mapping[str, tuple[Column, ...]]
) -> dict[str, tuple[Column, ...]]:
    """The columns by file; text in one file, another type elsewhere, is no type where there is no value."""
    kinds: dict[str, set[str]] = {}
    for columns in found.values():
        for column in columns:
            kinds.setdefault(column.name.lower(), set()).add(column.type)
    doubtful = {name for name, types in kinds.items() if len(types - {ONLY_NULLS}) > 1 and "varchar" in types}

    def of_file(uri: str, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        names = {column.name for column in columns if column.name.lower() in doubtful}
        if not names:
            return columns
        item = from_item(FileRelation((uri,), relation.format, partition_column=relation.partition_column))
        empty = {c.name for c in columns if c.type == "varchar" and c.name in names}
        empty = {name for name in empty if not _any_row(cursor, item, name)}
        return tuple(Column(c.name, ONLY_NULLS) if c.name in empty else c for c in columns)

    return {uri: of_file(uri, columns) for uri, columns in found.items()}


def text_item(
    cursor: duckdb.DuckDBPyConnection,
    relation: FileRelation,
    found: Mapping[str, tuple[Column, ...]],
    wanted: Collection[str],
) -> exp.Expr:
    """CSV or JSON files as a FROM item, each column of one type, or of untyped nulls without a value.

    Args:
        cursor: May read the files.
        relation: The files.
        found: Columns of each, as `DuckDbEngine.describe_files` tells them.
        wanted: Columns that the statement reads, maybe `"$path"`.
    """
    uris = tuple(uri for uri in relation.uris if found[uri])
    merged: dict[str, str] = {}
    known: dict[str, str] = {}
    for columns in found.values():
        for column in columns:
            name = known.setdefault(column.name.lower(), column.name)
            merged[name] = wider(merged.get(name, ONLY_NULLS), column.type, guessed=True) or "varchar"
    if not uris:
        nulls = [exp.alias_(exp.null(), name, quoted=True) for name in wanted]
        return exp.select(*(nulls or [exp.null()])).where(exp.false()).subquery()
    names = {name: known[name.lower()] for name in wanted if name.lower() in known}
    types = {known[name.lower()]: kind for name, kind in relation.types.items() if name.lower() in known}
    for name in names.values():
        if merged[name] not in (ONLY_NULLS, "varchar") and name != relation.partition_column:
            types.setdefault(name, merged[name])
    one = FileRelation(uris, relation.format, types, relation.partition_column)
    whole = {name: "varchar" if kind == ONLY_NULLS else kind for name, kind in merged.items()}
    item = from_item(
        one, whole if relation.format == "json" and types else None, with_path=PATH_COLUMN in wanted
    )
    doubtful = {name for name in names.values() if merged[name] in (ONLY_NULLS, "varchar")}
    empty = [name for name in sorted(doubtful - set(types)) if not _any_row(cursor, item, name)]
    if not empty:
        return item
    nulls = [exp.alias_(exp.null(), name, quoted=True) for name in empty]
    return exp.select(exp.Star(replace=nulls)).from_(item).subquery()


def _any_row(cursor: duckdb.DuckDBPyConnection, item: exp.Expr, name: str | None = None) -> bool:
    """Whether there is a row, with a value in the named column."""
    query = exp.select("1").from_(item.copy()).limit(1)
    if name is not None:
        query = query.where(exp.column(name, quoted=True).is_(exp.null()).not_())
    return bool(cursor.execute(query.sql("duckdb")).fetchall())
