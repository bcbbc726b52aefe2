"""Tables of the Glue catalog as the contracts want them: made, and widened when a contract gains a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.aws.glue_types import glue_type
from cluster_assets.domain.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.tables import Column

_PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}
PARTITION = "day"
# What of a table that is there may be handed back to Glue; the rest is Glue's own.
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
    """A table of a stage, and where one day of it lies.

    Attributes:
        name: Its name in the database.
        owner: Parameters that tell whose it is.
        columns: Columns of the contract.
        location: The day's folder.
        empty: A folder in which nothing ever lies, for days without files.
    """

    name: str
    owner: Mapping[str, str]
    columns: tuple[Column, ...]
    location: str
    empty: str


def described_files(columns: Iterable[Column], location: str) -> dict[str, Any]:
    """Parquet files below a folder, as Glue's `StorageDescriptor`."""
    return {"Columns": _described(columns), "Location": location, **_PARQUET}


def table_input(table: GlueTable) -> dict[str, Any]:
    """A new table as Glue's `TableInput`: one partition a day, `day=YYYY-MM-DD`."""
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet", **table.owner},
        "PartitionKeys": [{"Name": PARTITION, "Type": "string", "Comment": "UTC day, YYYY-MM-DD"}],
        "StorageDescriptor": described_files(table.columns, table.empty),
    }


def evolved(found: Mapping[str, Any], table: GlueTable, where: str) -> dict[str, Any] | None:
    """The `TableInput` that makes a table fit the contract; None when it does.

    New columns come last; columns of earlier contracts stay, so that earlier days can be queried (Athena
    reads Parquet by name, and what a file lacks as null). A type that changed becomes the new one. Whatever
    people added to the table (a description, parameters) stays too.

    Args:
        found: What Glue has.
        table: The contract.
        where: The table, for the message.

    Raises:
        CatalogError: The table is somebody else's.
    """
    parameters = found.get("Parameters", {})
    if any(parameters.get(name) != value for name, value in table.owner.items()):
        raise CatalogError(
            f"there is a table {table.name} already, and it is not one of this pipeline",
            where=where,
            remedy="rename the pipeline, or give it a Glue database of its own: CLUSTER_AWS_DATABASE",
        )
    present = {one["Name"]: one for one in found["StorageDescriptor"]["Columns"]}
    wanted = {one["Name"]: one for one in _described(table.columns)}
    merged = {name: {**present.get(name, {}), **wanted.get(name, {})} for name in {**present, **wanted}}
    if merged == present:
        return None
    described = {**found["StorageDescriptor"], "Columns": list(merged.values())}
    # What is empty in an answer may not be empty in a request.
    return {name: found[name] for name in _KEPT if found.get(name)} | {"StorageDescriptor": described}


def _described(columns: Iterable[Column]) -> list[dict[str, str]]:
    # A table may not have a column twice: where the files hold the day too, the partition's is shown.
    shown = [column for column in columns if column.name != PARTITION]
    return [{"Name": column.name, "Type": glue_type(column.type)} for column in shown]
