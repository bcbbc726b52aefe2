"""Which source rows belong to a day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.sql_files import column

if TYPE_CHECKING:
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import Raw


def day_predicate(raw: Raw, column_type: str, day: Day) -> exp.Expr:
    """Condition that a row of the source belongs to a UTC day.

    Args:
        raw: Names the time or partition column.
        column_type: Its Athena type.
        day: The day.

    Raises:
        SourceSchemaError: The column's type holds no day.
    """
    if raw.partition_column is not None:
        return _partition_predicate(raw.partition_column, column_type, day)
    name = raw.time_column or ""
    if column_type == "date":
        return column(name).eq(_date(day))
    if column_type == "timestamp":
        return _between(column(name), day, exp.DType.TIMESTAMP, "")
    if column_type == "timestamp with time zone":
        return _between(column(name), day, exp.DType.TIMESTAMPTZ, " UTC")
    if column_type == "varchar":
        return _between(moment_of_text(column(name)), day, exp.DType.TIMESTAMPTZ, " UTC")
    raise SourceSchemaError(
        f"raw.time_column {name} is {column_type}, which tells no time",
        where=f"column {name}",
        remedy="use a column of type timestamp or date (CSV and JSON: declare it under raw.columns), "
        "or raw.partition_column for a column that holds the day",
    )


def moment_of_text(text: exp.Expr) -> exp.Expr:
    """A text such as `2026-01-01T00:30:00+02:00` as a timestamp with time zone; without a zone it is UTC.

    Trino casts no text with a `T` between day and hour, and its from_iso8601_timestamp none with a blank,
    so that T becomes a blank. An hour begins with 0, 1 or 2; the T of a zone's name is left alone.
    """
    for digit in "012":
        found, blank = exp.Literal.string(f"T{digit}"), exp.Literal.string(f" {digit}")
        text = exp.func("replace", text, found, blank, dialect="athena")
    return exp.cast(text, exp.DType.TIMESTAMPTZ)


def _partition_predicate(name: str, column_type: str, day: Day) -> exp.Expr:
    if column_type == "date":
        return column(name).eq(_date(day))
    if column_type == "varchar":
        return column(name).eq(exp.Literal.string(day.key))
    raise SourceSchemaError(
        f"raw.partition_column {name} is {column_type}, not the day as text",
        where=f"column {name}",
        remedy="use a varchar column of YYYY-MM-DD or a date column; for a timestamp use raw.time_column",
    )


def _between(value: exp.Expr, day: Day, kind: exp.DType, zone: str) -> exp.Expr:
    """From midnight to the next midnight, the latter excluded."""
    first, last = (
        exp.cast(exp.Literal.string(f"{dt.datetime.combine(date, dt.time()):%Y-%m-%d %H:%M:%S}{zone}"), kind)
        for date in (day.date, day.next.date)
    )
    return exp.and_(value >= first, value.copy() < last)


def _date(day: Day) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.key), exp.DType.DATE)
