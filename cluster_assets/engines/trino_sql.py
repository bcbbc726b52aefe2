"""From a bound Athena tree to the text Trino runs: tables become relations, nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.ports import Statement

LONGEST = 1_000_000
"""Characters of a statement that Trino takes: the default of its property `query.max-length`."""


def trino_text(statement: Statement, relations: Mapping[str, exp.Expr]) -> str:
    """The statement in Trino's dialect, reading from the given FROM items.

    Args:
        statement: A bound query in the Athena dialect.
        relations: For each table name a table or subquery.

    Raises:
        EngineError: A table name is unknown, a part has no equal in Trino, or the text is too long.
    """
    tree = statement.tree.copy()
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.name in local:
            continue
        if table.db or table.name not in relations:
            raise EngineError(f"{statement.name} reads {table.sql()}, which it was not given")
        source = relations[table.name].copy()
        source.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True)))
        table.replace(source)
    try:
        text = tree.sql("trino", unsupported_level=ErrorLevel.RAISE, comments=False, copy=False)
    except SqlglotError as error:
        raise EngineError(
            f"{statement.name} has no equal in Trino: {error}",
            remedy="use a function that Trino has",
        ) from error
    if len(text) > LONGEST:
        raise EngineError(
            f"the text of {statement.name} has {len(text):,} characters; Trino takes {LONGEST:,}",
            where=statement.name,
            remedy="read fewer files at once: partition the source by day, or name a table in raw.table",
        )
    return text


def quoted(*names: str) -> str:
    """A name, or its parts joined by dots, each in double quotes.

    >>> quoted("hive", 'a"b')
    '"hive"."a""b"'
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def text(value: str) -> str:
    """A literal of a text."""
    return exp.Literal.string(value).sql("trino")
