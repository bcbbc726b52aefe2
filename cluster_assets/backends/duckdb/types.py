"""Conversion of type names between DuckDB and Athena."""

from __future__ import annotations

import re

import sqlglot.expressions as exp

from cluster_assets.domain.column_types import ZONED_NANOSECONDS
from cluster_assets.spec.expressions import DIALECT

_ATHENA = {
    "VARCHAR": "varchar",
    "JSON": "varchar",
    "UUID": "varchar",
    "BOOLEAN": "boolean",
    "TINYINT": "tinyint",
    "SMALLINT": "smallint",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    # Unsigned integers of Parquet, in the next wider type.
    "UTINYINT": "smallint",
    "USMALLINT": "integer",
    "UINTEGER": "bigint",
    "UBIGINT": "decimal(20,0)",
    "FLOAT": "real",
    "DOUBLE": "double",
    "DATE": "date",
    "BLOB": "varbinary",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    # Its own type: DuckDB compares it with no other.
    "TIMESTAMPTZ_NS": ZONED_NANOSECONDS,
}


def athena_type(name: str) -> str:
    """Return the Athena type of a DuckDB type; a type that Athena lacks keeps its name in lower case.

    >>> athena_type("VARCHAR[]"), athena_type("DECIMAL(18,3)"), athena_type("HUGEINT")
    ('array(varchar)', 'decimal(18,3)', 'hugeint')
    """
    if name.endswith("[]"):
        return f"array({athena_type(name[:-2])})"
    if name.startswith("ENUM("):
        return "varchar"
    if name.startswith(("STRUCT(", "MAP(")):
        return re.sub(r"^STRUCT", "row", name).lower()
    return _ATHENA.get(name, name.lower())


def duckdb_type(name: str) -> exp.DataType:
    """Return the type node of an Athena type name."""
    return exp.DataType.build(name, dialect=DIALECT)
