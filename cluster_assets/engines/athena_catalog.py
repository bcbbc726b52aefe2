"""Tables of the Glue catalog: their columns, and whether they may have changed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError

from cluster_assets.aws.glue_types import athena_type
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import EngineError, SourceMissingError
from cluster_assets.domain.tables import Column
from cluster_assets.engines.athena_errors import persistently
from cluster_assets.expressions import DIALECT

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Mapping

    from cluster_assets.engines.athena_config import AthenaConfig
    from cluster_assets.engines.athena_files import S3Files

# Athena keeps a view as base64 of a JSON document within a comment.
_VIEW = re.compile(r"/\*\s*Presto View:\s*(\S+)\s*\*/")
_DEEPEST_VIEW = 10


class GlueCatalog:
    """Looks tables up.

    Args:
        glue: The boto3 client.
        files: Listings of what tables consist of.
        config: Names of the catalog and the default database, patience.
    """

    def __init__(self, glue: Any, files: S3Files, config: AthenaConfig) -> None:
        self._glue = glue
        self._files = files
        self._config = config

    def describe(self, name: str, stop: threading.Event) -> tuple[Column, ...]:
        """Columns of a table or view, those of its partitions last.

        Raises:
            SourceMissingError: There is no such table.
        """
        table = self._table(name, stop)
        found = [*table.get("StorageDescriptor", {}).get("Columns", ()), *table.get("PartitionKeys", ())]
        return tuple(Column(str(one["Name"]), athena_type(str(one.get("Type", "string")))) for one in found)

    def state(self, name: str, stop: threading.Event) -> str:
        """A text that changes when a table may have changed; see `AthenaEngine.table_state`."""
        return canonical_json(self._state(name, stop, 0))

    def bytes_of(self, name: str, stop: threading.Event) -> int:
        """Bytes of all objects of a table, of all tables that a view reads: an upper bound of a scan.

        Raises:
            SourceMissingError: There is no such table.
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
                remedy=f"check the name; tables without a database are looked for in {self._config.database}",
            ) from error
        return found

    def _locations(
        self, table: Mapping[str, Any], parameters: Mapping[str, str], stop: threading.Event
    ) -> list[str]:
        """The folders of a Hive table's objects."""
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
            found += [str(one["StorageDescriptor"]["Location"]) for one in page["Partitions"]]
            if not page.get("NextToken"):
                return sorted(found)
            request["NextToken"] = page["NextToken"]

    def _digest(self, locations: Iterable[str], stop: threading.Event) -> str:
        sha = hashlib.sha256()
        for location in locations:
            for uri, found in self._files.list(location, stop):
                sha.update(f"{uri}\t{found.bytes}\t{found.etag}\n".encode())
        return sha.hexdigest()


def table_parts(name: str, config: AthenaConfig) -> tuple[str, str, str]:
    """Catalog, database and table of a name, in lower case.

    Raises:
        EngineError: It is in another catalog.
    """
    parts = name.split(".")
    catalog, database, table = (*(config.catalog, config.database)[: 3 - len(parts)], *parts)
    if catalog.lower() != config.catalog.lower():
        raise EngineError(
            f"the table {name} is in another catalog than {config.catalog}",
            where=f"raw.table: {name}",
            remedy="use a table of the Glue catalog, or a Glue resource link to it",
        )
    return catalog.lower(), database.lower(), table.lower()


def _parameters(table: Mapping[str, Any]) -> dict[str, str]:
    return {key.lower(): value for key, value in table.get("Parameters", {}).items()}


def _tables_of_view(name: str, table: Mapping[str, Any], depth: int) -> list[str]:
    """The tables a view reads, sorted."""
    if depth == _DEEPEST_VIEW:
        raise EngineError(f"views are nested deeper than {_DEEPEST_VIEW}", where=f"raw.table: {name}")
    match = _VIEW.search(str(table.get("ViewOriginalText", "")))
    try:
        view = json.loads(base64.b64decode(match[1])) if match else {}
        tree = sqlglot.parse_one(view["originalSql"], read=DIALECT)
    except (KeyError, ValueError, binascii.Error, SqlglotError) as error:
        raise EngineError(
            f"the text of the view {name} cannot be read, so nothing tells when its rows change",
            where=f"raw.table: {name}",
            remedy="name the table that the view reads, and put its condition under raw.where",
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
