"""From a bound tree to the text Athena runs: the tables of a statement become those of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.domain.errors import EngineError
from cluster_assets.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.tables import Column
    from cluster_assets.ports import Statement

PATH_COLUMN = "$path"


def athena_text(statement: Statement, items: Mapping[str, exp.Expr]) -> str:
    """The statement as text, reading from the given FROM items.

    Args:
        statement: A bound query.
        items: For each table name a table or a subquery.

    Raises:
        EngineError: A table name is unknown, or a part cannot be written.
    """
    tree = statement.tree.copy()
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if not table.db and table.name in local:
            continue
        if table.db or table.name not in items:
            raise EngineError(f"{statement.name} reads {table.sql()}, which it was not given")
        source = items[table.name].copy()
        source.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True)))
        table.replace(source)
    return _written(statement.name, tree)


def unload_text(name: str, query: str, prefix_uri: str, partitioned_by: str | None = None) -> str:
    """The text that writes a query's rows as zstd Parquet below a prefix.

    No ORDER BY: Athena writes several files at once and promises no order in them.

    Args:
        name: The statement, for messages.
        query: Its text.
        prefix_uri: A fresh prefix.
        partitioned_by: The last column, where each of its values has a folder `column=value`.
    """
    target = _written(name, exp.Literal.string(prefix_uri.rstrip("/") + "/"))
    options = "format = 'PARQUET', compression = 'ZSTD'"
    if partitioned_by is not None:
        options += f", partitioned_by = ARRAY[{_written(name, exp.Literal.string(partitioned_by))}]"
    return f"UNLOAD ({query}) TO {target} WITH ({options})"


def described_text(query: str) -> str:
    """The text that tells a query's columns and reads nothing."""
    return f"SELECT * FROM ({query}) AS described LIMIT 0"


def mentioned_columns(statement: Statement) -> frozenset[str] | None:
    """Names of all columns that a statement mentions, in lower case; None when it takes whatever there is."""
    for star in statement.tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            return None
    return frozenset(column.name.lower() for column in statement.tree.find_all(exp.Column))


def table_item(parts: Iterable[str]) -> exp.Table:
    """A table of the catalog as FROM item, every part of its name quoted."""
    *before, name = parts
    catalog, db = ("", "", *before)[-2:]
    return exp.table_(name, db=db or None, catalog=catalog or None, quoted=True)


def narrowed_item(table: exp.Table, columns: Iterable[str], uris: Iterable[str]) -> exp.Expr:
    """Some columns of a table, of the rows in the named files only; no file, no restriction."""
    names = [exp.column(name, quoted=True) for name in columns]
    query = exp.select(*names).from_(table)
    paths = [exp.Literal.string(uri) for uri in uris]
    if paths:
        query = query.where(exp.In(this=exp.column(PATH_COLUMN, quoted=True), expressions=paths))
    return query.subquery()


def empty_item(columns: Iterable[Column]) -> exp.Expr:
    """No rows with typed columns."""
    nulls = [
        exp.alias_(
            exp.Cast(this=exp.null(), to=exp.DataType.build(column.type, dialect=DIALECT)),
            column.name,
            quoted=True,
        )
        for column in columns
    ]
    if not nulls:
        raise EngineError("an empty relation was given without columns")
    return exp.select(*nulls).where(exp.false()).subquery()


def _written(name: str, tree: exp.Expr) -> str:
    try:
        return tree.sql(DIALECT, unsupported_level=ErrorLevel.RAISE, comments=False, copy=False)
    except SqlglotError as error:
        raise EngineError(f"{name} cannot be written for Athena: {error}") from error
