"""Casts of texts to declared types, and the condition that a cast would lose something."""

from __future__ import annotations

import re

from cluster_assets.backends.duckdb.reading.value_kinds import Kind, kind_of
from cluster_assets.backends.duckdb.types import duckdb_type

_INTEGERS = ("tinyint", "smallint", "integer", "bigint")
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_TIMES = ("date", "timestamp", "timestamp with time zone")


def text_cast(value: str, kind: str, *, zoned: bool) -> str:
    """Return the cast of a text to an Athena type that it is known to fit.

    Args:
        value: A DuckDB expression of type VARCHAR.
        kind: The type.
        zoned: Whether times may have an offset, which is applied.
    """
    if kind == "varchar":
        return value
    if kind == "timestamp" and zoned:  # a cast to TIMESTAMP drops an offset
        return f"CAST(CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP)"
    return f"CAST({value} AS {duckdb_type(kind).sql('duckdb')})"


def is_lost(value: str, kind: str) -> str:
    """Return the DuckDB condition that an Athena type does not hold the value of a text exactly."""
    cast = f"TRY_CAST({value} AS {duckdb_type(kind).sql('duckdb')})"
    return f"({value} IS NOT NULL AND NOT coalesce({_is_same(value, cast, kind)}, FALSE))"


def _is_same(value: str, cast: str, kind: str) -> str:
    kinds = f"({kind_of(value)})"
    if kind in _INTEGERS:
        # A fraction of zeros, or an exponent, is still a whole number.
        whole = f"{kinds} & {Kind.WHOLE | Kind.LARGE:d} > 0"
        return f"({whole} OR TRY_CAST({value} AS DOUBLE) = {cast}) AND {cast} IS NOT NULL"
    if kind in ("double", "real"):
        whole = f" AND ({kinds} & {Kind.WHOLE:d} = 0 OR CAST({cast} AS DOUBLE) = TRY_CAST({value} AS DOUBLE))"
        allowed = Kind.WHOLE | Kind.FRACTION
        return f"{kinds} & {allowed:d} > 0" + (whole if kind == "real" else "")
    if found := _DECIMAL.fullmatch(kind):
        scale = 38 - (int(found[1]) - int(found[2]))
        return f"{cast} = TRY_CAST({value} AS DECIMAL(38, {scale}))"
    if kind in _TIMES:
        allowed = Kind.DATE if kind == "date" else Kind.DATE | Kind.TIME | Kind.ZONED
        return f"{kinds} & {allowed:d} > 0"
    return f"{cast} IS NOT NULL"
