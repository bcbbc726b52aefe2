"""Columns of a table in Snowflake."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.domain.manifests import TableData

DAY = "day"
# Type in statements, and its name in INFORMATION_SCHEMA.
_TYPES = {
    "varchar": ("VARCHAR", "TEXT"),
    "bigint": ("BIGINT", "NUMBER"),
    "integer": ("INTEGER", "NUMBER"),
    "double": ("DOUBLE", "FLOAT"),
    "real": ("REAL", "FLOAT"),
    "boolean": ("BOOLEAN", "BOOLEAN"),
}
_ARRAYS = ("ARRAY", "VARIANT")


@dataclass(frozen=True, slots=True)
class SnowflakeColumn:
    """A column.

    Attributes:
        source: Its name in the Parquet files.
        type: Its type in statements.
        shown_types: What INFORMATION_SCHEMA may call it.
    """

    source: str
    type: str
    shown_types: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name in Snowflake: in capitals, so that queries need no quotes."""
        return self.source.upper()

    @property
    def quoted(self) -> str:
        """Its name in statements."""
        return quote(self.name)

    @property
    def definition(self) -> str:
        """The column in CREATE TABLE and ADD COLUMN."""
        return f"{self.quoted} {self.type}"

    @property
    def selected(self) -> str:
        """The column of a row `$1` of a Parquet file."""
        return f"$1:{quote(self.source)}::{self.type}"


def quote(name: str) -> str:
    """Return a name as a quoted identifier.

    >>> quote('a"b')
    '"a""b"'
    """
    return exp.to_identifier(name, quoted=True).sql(dialect="snowflake")


def columns_of(data: TableData) -> tuple[SnowflakeColumn, ...]:
    """Return the columns of a table without its day.

    >>> from cluster_assets.domain.manifests import TableData
    >>> from cluster_assets.domain.tables import Column
    >>> (near,) = columns_of(TableData("t", (Column("near", "array(varchar)"),), ()))
    >>> near.definition, near.selected
    ('"NEAR" ARRAY', '$1:"near"::ARRAY')
    """
    return tuple(
        SnowflakeColumn(column.name, "ARRAY", _ARRAYS)
        if column.type.startswith("array(")
        else SnowflakeColumn(column.name, _TYPES[column.type][0], _TYPES[column.type][1:])
        for column in data.columns
        if column.name != DAY
    )


def missing_columns(
    found: Mapping[str, str], wanted: Sequence[SnowflakeColumn], where: str
) -> tuple[SnowflakeColumn, ...]:
    """Return the columns that a table lacks.

    Args:
        found: The type of each column that it has, as in INFORMATION_SCHEMA.
        wanted: The columns of a day.
        where: For messages.

    Raises:
        PublicationError: A column has another type.
    """
    for column in wanted:
        if found.get(column.name, column.shown_types[0]) not in column.shown_types:
            raise PublicationError(
                f"the column {column.name} is {found[column.name]} in Snowflake, {column.type} in the day",
                where=where,
                remedy="rename the Snowflake table, then publish its days again",
            )
    return tuple(column for column in wanted if column.name not in found)
