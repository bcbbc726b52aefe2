"""Trino SQL from bound Athena trees, and conversion of type names between Trino, Athena and Hive."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.sql_base import printed, substituted
from cluster_assets.domain.errors import EngineError
from cluster_assets.spec.expressions import check_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Statement

LONGEST = 1_000_000
"""Maximum characters of a statement: the default of Trino's property `query.max-length`."""


def trino_text(statement: Statement, relations: Mapping[str, exp.Expr]) -> str:
    """Return the statement in Trino's dialect, reading from the given FROM items.

    Args:
        statement: A bound query in the Athena dialect.
        relations: A table or subquery for each table name.

    Raises:
        EngineError: A table name is unknown, Trino cannot express a part, or the text is too long.
    """
    text = printed(statement, substituted(statement, relations), "trino", relations)
    if len(text) > LONGEST:
        raise EngineError(
            f"the text of {statement.name} has {len(text):,} characters; Trino's limit is {LONGEST:,}",
            where=statement.name,
            remedy="read fewer files at once: partition the source by day, or name a table in raw.table",
        )
    return text


def quoted(*names: str) -> str:
    """Return a name, or its parts joined by dots, in double quotes.

    >>> quoted("hive", 'a"b')
    '"hive"."a""b"'
    """
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def text(value: str) -> str:
    """Return a string literal."""
    return exp.Literal.string(value).sql("trino")


_TIMESTAMP = re.compile(r"timestamp(?:\(\d+\))?( with time zone)?")


def athena_type(name: str) -> str:
    """Return the Athena type of a Trino type, without length and precision.

    >>> athena_type("varchar(3)"), athena_type("array(timestamp(9) with time zone)"), athena_type("map(a, b)")
    ('varchar', 'array(timestamp with time zone)', 'map(a, b)')
    """
    plain = _TIMESTAMP.sub(lambda found: "timestamp" + (found[1] or ""), name)
    try:
        return check_type(plain)
    except ValueError:
        return plain


def declared_type(athena: str) -> str:
    """Return the type with which a Hive table over Parquet files declares a column.

    Timestamps keep nanoseconds, so that none is rounded into the next day. Hive has no time zones: timestamps
    that Parquet marks as UTC are read without a zone, and `read_column` adds it.
    """
    return _TIMESTAMP.sub("timestamp(9)", athena)


def read_column(name: str, athena: str) -> str:
    """Return the expression that restores the type of a declared column; `name` is already quoted."""
    return f"with_timezone({name}, 'UTC') AS {name}" if athena == "timestamp with time zone" else name
