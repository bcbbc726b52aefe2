"""Tables of the Glue catalog: their columns and their state."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.backends.athena.errors import persistently
from cluster_assets.backends.aws.glue_tables import athena_type
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import EngineError, SourceMissingError
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping

    from cluster_assets.backends.athena.config import AthenaConfig
    from cluster_assets.backends.athena.files import S3Files
    from cluster_assets.domain.times.layouts import TableDay

# Athena stores a view as base64-encoded JSON inside a comment.
_VIEW = re.compile(r"/\*\s*Presto View:\s*(\S+)\s*\*/")
_DEEPEST_VIEW = 10
_PARALLEL_LISTINGS = 16


class GlueCatalog:
    """Looks tables up.

    Args:
        glue: The boto3 client.
        files: Lists the objects of tables.
        config: Names of the catalog and the default database, patience.
    """

    def __init__(self, glue: Any, files: S3Files, config: AthenaConfig) -> None:
        self._glue = glue
        self._files = files
        self._config = config

    def describe(self, name: str, stop: threading.Event) -> tuple[Column, ...]:
        """Return the columns of a table or view, partition columns last.

        Raises:
            SourceMissingError: The table does not exist.
        """
        table = self._table(name, stop)
        found = [*table.get("StorageDescriptor", {}).get("Columns", ()), *table.get("PartitionKeys", ())]
        return tuple(Column(str(one["Name"]), athena_type(str(one.get("Type", "string")))) for one in found)

    def state(self, name: str, stop: threading.Event, part: TableDay | None = None) -> str:
        """Return a string that changes whenever a table may have changed; see `AthenaEngine.table_state`."""
        table = self._table(name, stop)
        if part is None or not _is_partitioned_by(table, part):
            return canonical_json(self._state(name, stop, 0))
        locations = self._locations(table, _parameters(table), stop, part)
        return canonical_json(
            {
                "table": ".".join(table_parts(name, self._config)),
                "columns": [[column.name, column.type] for column in self.describe(name, stop)],
                "objects": self._digest(locations, stop),
            }
        )

    def bytes_of(self, name: str, stop: threading.Event) -> int:
        """Return the size of a table, or of all tables a view reads: an upper bound of a scan.

        Raises:
            SourceMissingError: The table does not exist.
        """
        return self._bytes_of(name, stop, 0)

    def _bytes_of(self, name: str, stop: threading.Event, depth: int) -> int:
        table = self._table(name, stop)
        if table.get("TableType") == "VIRTUAL_VIEW":
            return sum(self._bytes_of(one, stop, depth + 1) for one in _tables_of_view(name, table, depth))
        locations = self._locations(table, _parameters(table), stop)
        return sum(found.bytes for location in locations for _, found in self._files.list(location, stop))

    def _state(self, name: str, stop: threading.Event, depth: int) -> dict[str, Any]:
        table = self._table(name, stop)
        parameters = _parameters(table)
        state: dict[str, Any] = {
            "table": ".".join(table_parts(name, self._config)),
            "version": table.get("VersionId"),
            "updated": str(table.get("UpdateTime")),
        }
        if table.get("TableType") == "VIRTUAL_VIEW":
            read = _tables_of_view(name, table, depth)
            state["reads"] = [self._state(one, stop, depth + 1) for one in read]
        elif parameters.get("table_type", "").lower() == "iceberg":
            state["metadata"] = parameters.get("metadata_location")
        else:
            state["objects"] = self._digest(self._locations(table, parameters, stop), stop)
        return state

    def _table(self, name: str, stop: threading.Event) -> Mapping[str, Any]:
        _, database, table = table_parts(name, self._config)
        try:
            found: Mapping[str, Any] = persistently(
                lambda _: self._glue.get_table(DatabaseName=database, Name=table)["Table"],
                self._config.patience,
                stop,
                place=f"raw.table: {name}",
            )
        except SourceMissingError as error:
            raise SourceMissingError(
                f"the table {name} is not in the Glue catalog",
                where=f"raw.table: {name}",
                remedy=f"check the name; the default database is {self._config.database}",
            ) from error
        return found

    def _locations(
        self,
        table: Mapping[str, Any],
        parameters: Mapping[str, str],
        stop: threading.Event,
        part: TableDay | None = None,
    ) -> list[str]:
        """Return the folders of a Hive table's objects, or of those of one day."""
        whole = str(table["StorageDescriptor"].get("Location", ""))
        if not table.get("PartitionKeys") or parameters.get("projection.enabled", "").lower() == "true":
            return [whole] if whole else []
        found: list[str] = []
        request = {
            "DatabaseName": table["DatabaseName"],
            "TableName": table["Name"],
            "ExcludeColumnSchema": True,
        }
        while True:
            page = persistently(
                lambda _: self._glue.get_partitions(**request),
                self._config.patience,
                stop,
                place=str(table["Name"]),
            )
            found += [
                str(one["StorageDescriptor"]["Location"])
                for one in page["Partitions"]
                if part is None or part.holds(_values_of(part, table, one))
            ]
            if not page.get("NextToken"):
                return sorted(found)
            request["NextToken"] = page["NextToken"]

    def _digest(self, locations: Iterable[str], stop: threading.Event) -> str:
        """Digest the listings of folders, several at a time."""
        sha = hashlib.sha256()
        with ThreadPoolExecutor(_PARALLEL_LISTINGS) as pool:
            listings = pool.map(lambda location: list(self._files.list(location, stop)), locations)
            for uri, found in chain.from_iterable(listings):
                sha.update(f"{uri}\t{found.bytes}\t{found.etag}\n".encode())
        return sha.hexdigest()


def table_parts(name: str, config: AthenaConfig) -> tuple[str, str, str]:
    """Return catalog, database and table of a name, in lower case.

    Raises:
        EngineError: The table is in another catalog.
    """
    parts = name.split(".")
    catalog, database, table = (*(config.catalog, config.database)[: 3 - len(parts)], *parts)
    if catalog.lower() != config.catalog.lower():
        raise EngineError(
            f"the table {name} is not in the catalog {config.catalog}",
            where=f"raw.table: {name}",
            remedy="use a table of the Glue catalog, or a Glue resource link to it",
        )
    return catalog.lower(), database.lower(), table.lower()


def _is_partitioned_by(table: Mapping[str, Any], part: TableDay) -> bool:
    """Whether the partition keys of a Hive table spell the day, and are listed in the catalog."""
    parameters = _parameters(table)
    projected = parameters.get("projection.enabled", "").lower() == "true"
    other = table.get("TableType") == "VIRTUAL_VIEW" or parameters.get("table_type", "").lower() == "iceberg"
    keys = [str(key["Name"]) for key in table.get("PartitionKeys", ())]
    return not (projected or other) and part.is_spelled_by(keys)


def _values_of(part: TableDay, table: Mapping[str, Any], partition: Mapping[str, Any]) -> dict[str, str]:
    """Return a partition's values of the columns that spell the day."""
    keys = [str(key["Name"]).lower() for key in table["PartitionKeys"]]
    values = dict(zip(keys, partition["Values"], strict=True))
    return {name: values[name.lower()] for name in part.columns}


def _parameters(table: Mapping[str, Any]) -> dict[str, str]:
    return {key.lower(): value for key, value in table.get("Parameters", {}).items()}


def _tables_of_view(name: str, table: Mapping[str, Any], depth: int) -> list[str]:
    """Return the tables a view reads, sorted."""
    if depth == _DEEPEST_VIEW:
        raise EngineError(f"views are nested deeper than {_DEEPEST_VIEW}", where=f"raw.table: {name}")
    match = _VIEW.search(str(table.get("ViewOriginalText", "")))
    try:
        view = json.loads(base64.b64decode(match[1])) if match else {}
        tree = sqlglot.parse_one(view["originalSql"], read=DIALECT)
    except (KeyError, ValueError, binascii.Error, SqlglotError) as error:
        raise EngineError(
            f"the text of the view {name} cannot be read, so changes of its rows cannot be detected",
            where=f"raw.table: {name}",
            remedy="name the table that the view reads, and move the view's condition to raw.where",
        ) from error
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    database = str(view.get("schema") or table["DatabaseName"])
    return sorted(
        {
            ".".join(part for part in (one.catalog, one.db or database, one.name) if part)
            for one in tree.find_all(exp.Table)
            if one.name and (one.db or one.name not in local)
        }
    )
