"""Values as the texts, and types as the names, that GetQueryResults gives."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = {
    "HUGEINT": "bigint",  # Trino's sum of bigint is a bigint
    "INTEGER": "integer",
    "FLOAT": "float",
    "BLOB": "varbinary",
    "NULL": "unknown",
    '"NULL"': "unknown",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}


def type_name(duckdb_name: str) -> str:
    """The type of a result column; of nested ones only the word."""
    if duckdb_name.endswith("[]"):
        return "array"
    for prefix, name in (
        ("STRUCT", "row"),
        ("MAP", "map"),
        ("DECIMAL", "decimal"),
        ("TIMESTAMP_", "timestamp"),
    ):
        if duckdb_name.startswith(prefix):
            return name
    return _NAMES.get(duckdb_name, duckdb_name.lower())


def text_of(value: object) -> str | None:
    """A value as Athena prints it, None for null."""
    if value is None:
        return None
    for kind, written in _WRITTEN.items():
        if isinstance(value, kind):
            return written(value)
    return str(value)


def _moment(value: dt.datetime) -> str:
    zone = "" if value.tzinfo is None else " UTC"
    moment = value if value.tzinfo is None else value.astimezone(dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}{zone}"


def _array(value: list[object]) -> str:
    return "[" + ", ".join(text_of(item) or "null" for item in value) + "]"


def _row(value: dict[str, object]) -> str:
    return "{" + ", ".join(f"{key}={text_of(item)}" for key, item in value.items()) + "}"


def _double(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    mantissa, _, exponent = repr(value).partition("e")
    if exponent:
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"
    return mantissa


_WRITTEN: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    float: _double,
    dt.datetime: _moment,
    bytes: lambda value: value.hex(" "),
    list: _array,
    dict: _row,
}
