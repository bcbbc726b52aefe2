"""Trino's names of types in the project's words, and how a Hive table declares them."""

from __future__ import annotations

import re

from cluster_assets.expressions import check_type

_TIMESTAMP = re.compile(r"timestamp(?:\(\d+\))?( with time zone)?")


def athena_type(name: str) -> str:
    """The Athena type of a Trino type: without a length or precision that only Trino tells.

    >>> athena_type("varchar(3)"), athena_type("array(timestamp(9) with time zone)"), athena_type("map(a, b)")
    ('varchar', 'array(timestamp with time zone)', 'map(a, b)')
    """
    plain = _TIMESTAMP.sub(lambda found: "timestamp" + (found[1] or ""), name)
    try:
        return check_type(plain)
    except ValueError:
        return plain


def declared_type(athena: str) -> str:
    """How a Hive table over Parquet files declares a column.

    Times keep their nanoseconds, so that none is rounded into the next day. Hive knows no time zones: a time
    that Parquet marks as UTC is read as the UTC wall clock and gets its zone back by `read_column`.
    """
    return _TIMESTAMP.sub("timestamp(9)", athena)


def read_column(name: str, athena: str) -> str:
    """The expression that gives a declared column its type back; `name` is quoted already."""
    return f"with_timezone({name}, 'UTC') AS {name}" if athena == "timestamp with time zone" else name
