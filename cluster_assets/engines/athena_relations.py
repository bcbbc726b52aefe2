"""What a relation is to Athena: its columns, and the table that stands for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.column_types import wider
from cluster_assets.domain.errors import EngineError, SourceSchemaError
from cluster_assets.domain.tables import Column
from cluster_assets.engines.athena_catalog import table_parts
from cluster_assets.engines.athena_scratch import FileTable, ScratchTable, plan_table
from cluster_assets.engines.athena_sql import PATH_COLUMN, empty_item, table_item
from cluster_assets.ports import FileRelation, TableRelation

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Mapping

    import sqlglot.expressions as exp

    from cluster_assets.engines.athena_config import AthenaConfig
    from cluster_assets.engines.athena_files import S3Files
    from cluster_assets.engines.athena_footers import ParquetFooters
    from cluster_assets.ports import Relation


@dataclass(frozen=True, slots=True)
class Placed:
    """A relation as a FROM item, with the table that must be there first."""

    item: exp.Expr
    table: ScratchTable | None = None


class AthenaRelations:
    """Looks at relations.

    Args:
        files: Listings.
        footers: Columns of Parquet files.
        config: Names of databases.
    """

    def __init__(self, files: S3Files, footers: ParquetFooters, config: AthenaConfig) -> None:
        self._files = files
        self._footers = footers
        self._config = config

    def describe_files(self, relation: FileRelation, stop: threading.Event) -> dict[str, tuple[Column, ...]]:
        """Columns of each file by its address.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
            EngineError: The files are not Parquet by their format.
        """
        _check_format(relation)
        listed, _ = self._files.list_files(relation.uris, stop)
        footers = self._footers.read({uri: found.etag for uri, found in listed.items()}, stop)
        folder = () if relation.partition_column is None else (Column(relation.partition_column, "varchar"),)
        return {uri: (*footers[uri].columns, *folder) for uri in relation.uris}

    def scan_bytes(self, relation: FileRelation, columns: Collection[str], stop: threading.Event) -> int:
        """Bytes that reading some columns of files takes: their chunks of Parquet files, all of others.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        listed, _ = self._files.list_files(relation.uris, stop)
        if relation.format != "parquet":
            return sum(found.bytes for found in listed.values())
        footers = self._footers.read({uri: found.etag for uri, found in listed.items()}, stop)
        return sum(footer.scan_bytes(columns) for footer in footers.values())

    def place(
        self, relation: Relation, mentioned: frozenset[str] | None, owner: str, stop: threading.Event
    ) -> Placed:
        """The FROM item of a relation, limited to the columns that the statement mentions.

        Args:
            relation: Files or a table.
            mentioned: Names in lower case; None for all.
            owner: Tells this statement's scratch tables from those of others.
            stop: Ends waiting.
        """
        if isinstance(relation, TableRelation):
            return Placed(table_item(table_parts(relation.name, self._config)))
        if not relation.uris:
            return Placed(empty_item(relation.columns))
        _check_format(relation)
        listed, others = self._files.list_files(relation.uris, stop)
        known = relation.columns
        if not known:
            footers = self._footers.read({uri: found.etag for uri, found in listed.items()}, stop)
            known = _merged({uri: footer.columns for uri, footer in footers.items()})
        hive = relation.partition_column
        known = tuple(column for column in known if column.name != hive)
        kept = tuple(column for column in known if mentioned is None or column.name.lower() in mentioned)
        shown = [column.name for column in kept]
        if hive is not None and (mentioned is None or hive.lower() in mentioned):
            shown.append(hive)
        if mentioned is not None and PATH_COLUMN in mentioned:
            shown.append(PATH_COLUMN)
        files = FileTable(relation.uris, bool(others), kept or known[:1], hive, tuple(shown))
        table = plan_table(files, self._config.scratch_database, owner)
        return Placed(table.item, table)


def merged_columns(columns: Mapping[str, tuple[Column, ...]]) -> tuple[Column, ...]:
    """The union of the columns of several files, the first spelling and type of each."""
    merged: dict[str, Column] = {}
    for found in columns.values():
        merged = {column.name: column for column in found} | merged
    return tuple(merged.values())


def _merged(columns: Mapping[str, tuple[Column, ...]]) -> tuple[Column, ...]:
    """The union as one table: without regard to case, of the wider type."""
    merged: dict[str, Column] = {}
    for uri, found in columns.items():
        for column in found:
            before = merged.setdefault(column.name.lower(), column)
            kind = wider(before.type, column.type, guessed=False)
            if kind is None:
                raise SourceSchemaError(
                    f"the column {column.name} is {column.type}, not {before.type} as in other files",
                    where=uri,
                    remedy="write the file again with the agreed type",
                )
            merged[column.name.lower()] = replace(before, type=kind)
    return tuple(merged.values())


def _check_format(relation: FileRelation) -> None:
    if relation.format != "parquet":
        raise EngineError(
            f"Athena reads {relation.format} files only as a table of the catalog",
            where=relation.uris[0] if relation.uris else None,
            remedy="create a table over them (CREATE EXTERNAL TABLE with a SerDe) and name it under "
            "raw.table, or write Parquet",
        )
