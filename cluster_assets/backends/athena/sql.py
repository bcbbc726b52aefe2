"""Athena SQL from bound trees: the tables of a statement are replaced by those of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.sql_base import athena_kind, printed, substituted
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.backends.ports import Statement

PATH_COLUMN = "$path"


def athena_text(statement: Statement, items: Mapping[str, exp.Expr]) -> str:
    """Return the statement as text, reading from the given FROM items.

    Args:
        statement: A bound query.
        items: A table or subquery for each table name.

    Raises:
        EngineError: A table name is unknown, or a part cannot be written.
    """
    return printed(statement, substituted(statement, items), DIALECT, items)


def unload_text(query: str, prefix_uri: str, partitioned_by: str | None = None) -> str:
    """Return the text that writes a query's rows as zstd Parquet below a prefix.

    There is no ORDER BY, because Athena writes several files in parallel and guarantees no order.

    Args:
        query: Text of the query.
        prefix_uri: An empty prefix.
        partitioned_by: The last column, if each value gets a folder `column=value`.
    """
    target = _text(prefix_uri.rstrip("/") + "/")
    options = "format = 'PARQUET', compression = 'ZSTD'"
    if partitioned_by is not None:
        options += f", partitioned_by = ARRAY[{_text(partitioned_by)}]"
    return f"UNLOAD ({query}) TO {target} WITH ({options})"


def described_text(query: str) -> str:
    """Return the text that returns a query's columns without reading data."""
    return f"SELECT * FROM ({query}) AS described LIMIT 0"


def cast_columns(tree: exp.Query) -> tuple[Column, ...] | None:
    """Return the columns of a query that casts each of them; None if it casts some only.

    >>> from sqlglot import parse_one
    >>> found = cast_columns(parse_one("SELECT CAST(a AS ARRAY(VARCHAR)) AS a, CAST(b AS BIGINT) AS b"))
    >>> [(column.name, column.type) for column in found]
    [('a', 'array(varchar)'), ('b', 'bigint')]
    >>> cast_columns(parse_one("SELECT CAST(a AS BIGINT) AS a, b")) is None
    True
    """
    found = []
    for shown in tree.selects:
        value = shown.unalias()
        if type(value) is not exp.Cast:
            return None
        found.append(Column(shown.alias_or_name, value.to.sql(DIALECT).lower()))
    return tuple(found)


def same_columns(some: Iterable[Column], others: Iterable[Column]) -> bool:
    """Whether columns have the same names and types, however the types are spelled."""
    one, other = (
        [(column.name, athena_kind(column.type)) for column in columns] for columns in (some, others)
    )
    return one == other


def mentioned_columns(statement: Statement) -> frozenset[str] | None:
    """Return the names of all columns that a statement mentions, in lower case; None if it uses `*`."""
    for star in statement.tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            return None
    return frozenset(column.name.lower() for column in statement.tree.find_all(exp.Column))


def table_item(parts: Iterable[str]) -> exp.Table:
    """Return a catalog table as FROM item with a fully quoted name."""
    *before, name = parts
    catalog, db = ("", "", *before)[-2:]
    return exp.table_(name, db=db or None, catalog=catalog or None, quoted=True)


def narrowed_item(table: exp.Table, columns: Iterable[str], uris: Iterable[str]) -> exp.Expr:
    """Select columns of a table, restricted to the named files if there are any."""
    names = [exp.column(name, quoted=True) for name in columns]
    query = exp.select(*names).from_(table)
    paths = [exp.Literal.string(uri) for uri in uris]
    if paths:
        query = query.where(exp.In(this=exp.column(PATH_COLUMN, quoted=True), expressions=paths))
    return query.subquery()


def _text(value: str) -> str:
    return exp.Literal.string(value).sql(DIALECT)
