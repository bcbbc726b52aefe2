"""Files as tables: a temporary Glue table for each relation of a statement.

Tables are created through the Glue API rather than by DDL in Athena: this needs no query and no queue, costs
nothing, takes about 50 ms instead of a second, and needs no quoting of names and types. The tables have their
own database, so that leftovers of killed processes can be removed by age.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from cluster_assets.backends.athena.errors import persistently
from cluster_assets.backends.athena.files import topmost_folders
from cluster_assets.backends.athena.sql import PATH_COLUMN, narrowed_item, table_item
from cluster_assets.backends.aws.glue_tables import PARQUET_FORMAT, glue_type
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import ClusterAssetsError, EngineError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    import sqlglot.expressions as exp

    from cluster_assets.backends.athena.config import AthenaConfig
    from cluster_assets.domain.tables import Column

_logger = logging.getLogger(__name__)
_FOLDER_KEY = "folder_of_relation"
# The query names every file, so that files that arrive meanwhile are not read. Above this number it does so
# only if the folders hold other files, to keep the query short.
_ALWAYS_NAMED = 1000
_BATCH = 100  # tables or partitions per Glue call
_DROPPING = Patience(attempts=4, seconds=15, first_wait_s=0.2, longest_wait_s=4)


@dataclass(frozen=True, slots=True)
class ScratchTable:
    """The definition of a Glue table over files.

    Attributes:
        name: Derived from the files and the owner.
        definition: `TableInput` of Glue.
        partitions: `PartitionInput`s of Glue; one per folder if there are several.
        item: The FROM item.
    """

    name: str
    definition: Mapping[str, Any]
    partitions: tuple[Mapping[str, Any], ...]
    item: exp.Expr


@dataclass(frozen=True, slots=True)
class FileTable:
    """Parquet files to read as a table.

    Attributes:
        uris: The files.
        others: Whether their folders contain further files.
        columns: Columns to read, at least one, without the partition column.
        partition_column: Column taken from `name=value` folders.
        shown: Names of columns visible to the statement, possibly including `"$path"`.
    """

    uris: tuple[str, ...]
    others: bool
    columns: tuple[Column, ...]
    partition_column: str | None
    shown: tuple[str, ...]


def plan_table(files: FileTable, database: str, owner: str) -> ScratchTable:
    """Return the table that reads exactly these files.

    Args:
        files: The files to read.
        database: The scratch database.
        owner: Distinguishes this statement's tables from others.

    Raises:
        EngineError: Glue has no type for a column, or a file is not in a folder of the partition column.
    """
    uris, column = files.uris, files.partition_column
    folders = topmost_folders(uris)
    keys = [column] if column is not None else []
    if len(folders) > 1 or keys:
        keys = [_FOLDER_KEY, *keys]
    values = [_values(folder, number, uris, column) for number, folder in enumerate(folders)]
    stored = [{"Name": one.name.lower(), "Type": glue_type(one.type)} for one in files.columns]
    spec = {"owner": owner, "uris": list(uris), "columns": stored, "keys": keys}
    name = "s_" + hashlib.sha256(canonical_json(spec).encode()).hexdigest()[:40]
    described = {"Columns": stored, **PARQUET_FORMAT}
    definition = {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        "StorageDescriptor": {**described, "Location": folders[0]},
    }
    partitions = tuple(
        {"Values": list(value), "StorageDescriptor": {**described, "Location": folder}}
        for folder, value in zip(folders, values, strict=True)
        if keys
    )
    named = uris if files.others or len(uris) <= _ALWAYS_NAMED else ()
    item = narrowed_item(table_item((database, name)), files.shown or (PATH_COLUMN,), named)
    return ScratchTable(name, definition, partitions, item)


class AthenaScratch:
    """Creates, drops and sweeps the tables.

    Args:
        glue: The boto3 client.
        config: The scratch database and patience.
    """

    def __init__(self, glue: Any, config: AthenaConfig) -> None:
        self._glue = glue
        self._config = config

    def create(self, tables: Iterable[ScratchTable], stop: threading.Event) -> None:
        """Create tables; an existing table has the same files, because its name is their digest.

        Raises:
            EngineError: Glue refuses the call, or the scratch database does not exist.
        """
        for table in tables:
            try:
                self._call("create_table", stop, TableInput=table.definition)
            except ClusterAssetsError as error:
                if _code(error) == "EntityNotFoundException":
                    raise EngineError(
                        f"there is no Glue database {self._config.scratch_database}",
                        where="the Athena engine's scratch_database",
                        remedy="deploy the stack, which creates it",
                    ) from error
                if _code(error) != "AlreadyExistsException":
                    raise
            for start in range(0, len(table.partitions), _BATCH):
                self._add(table, table.partitions[start : start + _BATCH], stop)

    def drop(self, tables: Sequence[ScratchTable]) -> None:
        """Drop tables; any that cannot be dropped now are swept later."""
        self._delete([table.name for table in tables])

    def sweep(self, before: dt.datetime) -> int:
        """Drop the remaining tables that were created before a time, and return their number.

        Raises:
            EngineError: Glue refuses to list the tables.
        """
        names: list[str] = []
        request: dict[str, Any] = {}
        while True:
            page = self._call("get_tables", threading.Event(), **request)
            names += [
                str(table["Name"])
                for table in page["TableList"]
                if str(table["Name"]).startswith("s_") and table["CreateTime"] < before
            ]
            if not page.get("NextToken"):
                break
            request["NextToken"] = page["NextToken"]
        self._delete(names)
        return len(names)

    def _add(
        self, table: ScratchTable, partitions: Sequence[Mapping[str, Any]], stop: threading.Event
    ) -> None:
        answer = self._call(
            "batch_create_partition", stop, TableName=table.name, PartitionInputList=list(partitions)
        )
        for failed in answer.get("Errors", ()):
            detail = failed["ErrorDetail"]
            if detail["ErrorCode"] != "AlreadyExistsException":
                raise EngineError(
                    f"Glue refused a partition: {detail['ErrorCode']}: {detail.get('ErrorMessage', '')}",
                    where=f"{self._config.scratch_database}.{table.name}",
                )

    def _delete(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), _BATCH):
            try:
                self._delete_some(names[start : start + _BATCH])
            except ClusterAssetsError as error:
                _logger.warning("scratch tables stay until they are swept: %s", error)

    def _delete_some(self, names: Sequence[str]) -> None:
        database = self._config.scratch_database
        persistently(
            lambda _: self._glue.batch_delete_table(DatabaseName=database, TablesToDelete=list(names)),
            _DROPPING,
            threading.Event(),  # never set: an interrupted statement must still drop its tables
            place=f"Glue database {database}",
        )

    def _call(self, operation: str, stop: threading.Event, **request: Any) -> Any:
        database = self._config.scratch_database
        return persistently(
            lambda _: getattr(self._glue, operation)(DatabaseName=database, **request),
            self._config.patience,
            stop,
            place=f"Glue database {database}",
        )


def _values(folder: str, number: int, uris: Sequence[str], column: str | None) -> tuple[str, ...]:
    if column is None:
        return (str(number),)
    found = {_value(uri, column) for uri in uris if uri.startswith(folder)}
    if len(found) != 1:
        raise EngineError(
            f"files of one folder belong to several values of {column}: {', '.join(sorted(found))}",
            where=folder,
            remedy=f"keep files inside folders named {column}=value only",
        )
    return (str(number), found.pop())


def _value(uri: str, column: str) -> str:
    prefix = f"{column}="
    for part in reversed(uri.split("/")[:-1]):
        if part.startswith(prefix):
            return unquote(part.removeprefix(prefix))
    raise EngineError(f"the file is in no folder named {column}=value", where=uri)


def _code(error: ClusterAssetsError) -> str:
    cause = error.__cause__
    return str(cause.response["Error"]["Code"]) if isinstance(cause, ClientError) else ""
