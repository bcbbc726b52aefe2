"""Errors for values that a statement cannot convert: a value of the source, or a text of an expression."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.files import PATH_COLUMN, from_item
from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import duckdb

    from cluster_assets.backends.ports import Relation, Statement

# The first is raised by the rewrites in `differences`, with their own message.
_CONVERTED = (
    re.compile(r"string ''(.*)' is not a whole number' to "),
    re.compile(r"string ['\"](.*?)['\"] to "),
    re.compile(r'field value out of range: "([^"]*)"'),
)


def value_error(
    error: duckdb.Error,
    statement: Statement,
    relations: Collection[Relation],
    cursor: duckdb.DuckDBPyConnection,
) -> EngineError | None:
    """Return the error for a value that cannot be converted; None if DuckDB does not report the value.

    Args:
        error: The error of DuckDB.
        statement: The statement that failed.
        relations: The Parquet files and tables that it read.
        cursor: A cursor that may read them.
    """
    found = unconverted(error)
    if found is None:
        return None
    value, line = found
    mentioned = {column.name.lower() for column in statement.tree.find_all(exp.Column)}
    places = _places(value, relations, mentioned, cursor)
    if not places and (own := own_text_error(error, statement)):
        return own
    return EngineError(
        f"a value of the source cannot be converted: {', '.join([line, *places])}",
        where=statement.name,
        remedy="use try_cast(… AS type), which makes it null, leave such rows out with raw.where, "
        "or correct the value in the source",
    )


def own_text_error(error: duckdb.Error, statement: Statement) -> EngineError | None:
    """Return the error for a text of an expression; None if the statement does not contain the text.

    Args:
        error: The error of DuckDB for a value that no column holds.
        statement: The statement that failed.
    """
    value, line = unconverted(error) or (None, "")
    literals = statement.tree.find_all(exp.Literal)
    if not any(literal.is_string and literal.name == value for literal in literals):
        return None
    return EngineError(
        f"an expression of the pipeline converts its own text '{value}', which no column holds: {line}",
        where=statement.name,
        remedy=f"write '{value}' as a value of the type that the expression needs, or compare texts: "
        "cast(v AS varchar) instead of v",
    )


def unconverted(error: duckdb.Error) -> tuple[str, str] | None:
    """Return the value that DuckDB could not convert, and what it says; None if it does not name one."""
    line = str(error).strip().splitlines()[0].removeprefix("Conversion Error: ")
    found = next((match for pattern in _CONVERTED if (match := pattern.search(line))), None)
    if found is None:
        return None
    return found[1], f"'{found[1]}' is not a whole number" if found.re is _CONVERTED[0] else line


def _places(
    value: str, relations: Iterable[Relation], mentioned: Collection[str], cursor: duckdb.DuckDBPyConnection
) -> list[str]:
    """Return the first column and file or table of each relation that contains a text."""
    found = []
    for relation in relations:
        with_path = isinstance(relation, FileRelation) and bool(relation.uris)
        item = from_item(relation, with_path=with_path)
        described = cursor.execute(f"DESCRIBE SELECT * FROM {item}").fetchall()
        texts = [name for name, kind, *_ in described if kind == "VARCHAR" and name.lower() in mentioned]
        for name in texts:
            quoted = exp.to_identifier(name, quoted=True).sql("duckdb")
            place = f'"{PATH_COLUMN}"' if with_path else "NULL"
            rows = cursor.execute(
                f"SELECT {place} FROM {item} WHERE {quoted} = $value LIMIT 1", {"value": value}
            ).fetchall()
            if rows:
                source = rows[0][0] or getattr(relation, "name", "")
                found.append(f"column {name} of {source}")
                break
    return found
