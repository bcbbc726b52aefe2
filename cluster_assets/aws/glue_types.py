"""Athena's names of types (Trino's) and those of the Glue catalog (Hive's)."""

from __future__ import annotations

import re

import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.domain.errors import EngineError
from cluster_assets.expressions import DIALECT

_LENGTH = re.compile(r"\b(varchar|char)\(\d+\)")
_PRECISION = re.compile(r"\btimestamp\(\d+\)")
_IN_GLUE = frozenset(
    {exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT}
    | {exp.DType.FLOAT, exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.VARCHAR, exp.DType.TEXT}
    | {exp.DType.VARBINARY, exp.DType.BINARY, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ}
    | {exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT}
)


def glue_type(name: str) -> str:
    """The Glue type of an Athena type; a zoned timestamp becomes a plain one in UTC, as Parquet stores it.

    >>> glue_type("array(varchar)"), glue_type("real"), glue_type("timestamp with time zone")
    ('array<string>', 'float', 'timestamp')

    Raises:
        EngineError: Glue has no such type.
    """
    try:
        node = exp.DataType.build(name, dialect=DIALECT)
    except SqlglotError:
        node = exp.DataType(this=exp.DType.UNKNOWN)
    for part in node.find_all(exp.DataType):
        if part.this not in _IN_GLUE:
            raise EngineError(
                f"no Glue table can have a column of type {name}",
                remedy="leave the column out, or write the files with another type",
            )
        if part.this is exp.DType.TIMESTAMPTZ:
            part.set("this", exp.DType.TIMESTAMP)
    return _plain(node.sql("hive").lower()).replace(": ", ":").replace(", ", ",")


def athena_type(name: str) -> str:
    """The Athena type of a Glue type, without lengths of texts.

    >>> athena_type("array<string>"), athena_type("float"), athena_type("varchar(10)"), athena_type("int")
    ('array(varchar)', 'real', 'varchar', 'integer')
    """
    try:
        text = exp.DataType.build(name, dialect="hive").sql(DIALECT).lower()
    except SqlglotError:
        return name.lower()
    return _plain(text)


def _plain(name: str) -> str:
    short = _PRECISION.sub("timestamp", _LENGTH.sub("varchar", name))
    return re.sub(r"(decimal\(\d+), ", r"\1,", re.sub(r"\bchar\b", "varchar", short))
