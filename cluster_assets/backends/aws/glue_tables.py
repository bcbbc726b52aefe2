"""Glue tables that follow the contracts: created, and widened if a contract gains a column.

Types are converted between the names of Athena (Trino's) and those of the Glue catalog (Hive's).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.domain.errors import CatalogError, EngineError
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.tables import Column

_LENGTH = re.compile(r"\b(varchar|char)\(\d+\)")
_PRECISION = re.compile(r"\btimestamp\(\d+\)")
_IN_GLUE = frozenset(
    {exp.DType.BOOLEAN, exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT}
    | {exp.DType.FLOAT, exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.VARCHAR, exp.DType.TEXT}
    | {exp.DType.VARBINARY, exp.DType.BINARY, exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ}
    | {exp.DType.ARRAY, exp.DType.MAP, exp.DType.STRUCT}
)


def glue_type(name: str) -> str:
    """Return the Glue type of an Athena type; a zoned timestamp becomes one without zone, as in Parquet.

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
                f"Glue has no equivalent of the type {name}",
                remedy="omit the column, or write the files with another type",
            )
        if part.this is exp.DType.TIMESTAMPTZ:
            part.set("this", exp.DType.TIMESTAMP)
    return _plain(node.sql("hive").lower()).replace(": ", ":").replace(", ", ",")


def athena_type(name: str) -> str:
    """Return the Athena type of a Glue type, without lengths of texts.

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


PARQUET_FORMAT = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
PARTITION = "day"
# The fields of an existing table that may be sent back to Glue; Glue sets the others.
_KEPT = (
    "Name",
    "Description",
    "Owner",
    "Retention",
    "StorageDescriptor",
    "PartitionKeys",
    "TableType",
    "Parameters",
)


@dataclass(frozen=True, slots=True)
class GlueTable:
    """A table of a stage and the location of one day.

    Attributes:
        name: Its name in the database.
        owner: Parameters that identify its owner.
        columns: Columns of the contract.
        location: The day's folder.
        empty: A folder that always stays empty, for days without files.
    """

    name: str
    owner: Mapping[str, str]
    columns: tuple[Column, ...]
    location: str
    empty: str


def described_files(columns: Iterable[Column], location: str) -> dict[str, Any]:
    """Return Glue's `StorageDescriptor` for Parquet files below a folder."""
    return {"Columns": _described(columns), "Location": location, **PARQUET_FORMAT}


def table_input(table: GlueTable) -> dict[str, Any]:
    """Return Glue's `TableInput` for a new table with one partition per day, `day=YYYY-MM-DD`."""
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **table.owner},
        "PartitionKeys": [{"Name": PARTITION, "Type": "string", "Comment": "UTC day, YYYY-MM-DD"}],
        "StorageDescriptor": described_files(table.columns, table.empty),
    }


def evolved(found: Mapping[str, Any], table: GlueTable, where: str) -> dict[str, Any] | None:
    """Return the `TableInput` that adapts a table to the contract; None if no change is needed.

    New columns are appended. Columns of earlier contracts are kept, so that earlier days can be queried
    (Athena reads Parquet by name, and missing columns as null). Changed types are replaced. Additions by
    users (a description, parameters) are kept.

    Args:
        found: The table in Glue.
        table: The contract.
        where: The table, for the message.

    Raises:
        CatalogError: The table was not created by this project.
    """
    parameters = found.get("Parameters", {})
    if any(parameters.get(name) != value for name, value in table.owner.items()):
        raise CatalogError(
            f"the table {table.name} exists, and does not belong to this pipeline",
            where=where,
            remedy="rename the pipeline, or use another Glue database (CLUSTER_AWS_DATABASE)",
        )
    present = {one["Name"]: one for one in found["StorageDescriptor"]["Columns"]}
    wanted = {one["Name"]: one for one in _described(table.columns)}
    merged = {name: {**present.get(name, {}), **wanted.get(name, {})} for name in {**present, **wanted}}
    if merged == present:
        return None
    described = {**found["StorageDescriptor"], "Columns": list(merged.values())}
    # Fields may be empty in a response but not in a request.
    return {name: found[name] for name in _KEPT if found.get(name)} | {"StorageDescriptor": described}


def _described(columns: Iterable[Column]) -> list[dict[str, str]]:
    # Column names must be unique: if the files also have the column `day`, the partition's is used.
    shown = [column for column in columns if column.name != PARTITION]
    return [{"Name": column.name, "Type": glue_type(column.type)} for column in shown]
