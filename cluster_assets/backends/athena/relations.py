"""Relations in Athena: their columns and the tables that represent them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.backends.athena.catalog import table_parts
from cluster_assets.backends.athena.scratch import FileTable, ScratchTable, plan_table
from cluster_assets.backends.athena.sql import PATH_COLUMN, table_item
from cluster_assets.backends.ports import FileRelation, TableRelation
from cluster_assets.backends.sql_base import empty_item
from cluster_assets.domain.column_types import wider
from cluster_assets.domain.errors import EngineError, SourceSchemaError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Mapping

    import sqlglot.expressions as exp

    from cluster_assets.backends.athena.config import AthenaConfig
    from cluster_assets.backends.athena.files import S3Files
    from cluster_assets.backends.athena.footers import Footer, ParquetFooters
    from cluster_assets.backends.ports import Relation


@dataclass(frozen=True, slots=True)
class Placed:
    """A relation as a FROM item, with the scratch table it requires."""

    item: exp.Expr
    table: ScratchTable | None = None


class AthenaRelations:
    """Describes relations and maps them to FROM items.

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
        """Return the columns of each file by URI.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
            EngineError: The files are not Parquet by their format.
        """
        _check_format(relation)
        footers = self._read(relation, stop)
        folder = () if relation.partition_column is None else (Column(relation.partition_column, "varchar"),)
        return {uri: (*footers[uri].columns, *folder) for uri in relation.uris}

    def scan_bytes(self, relation: FileRelation, columns: Collection[str], stop: threading.Event) -> int:
        """Return the bytes of a scan of some columns: the chunks of Parquet files, or whole other files.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        listed, _ = self._files.list_files(relation.uris, stop)
        if relation.format != "parquet":
            return sum(found.bytes for found in listed.values())
        footers = self._footers.read({uri: found.etag for uri, found in listed.items()}, stop)
        return sum(footer.scan_bytes(columns) for footer in footers.values())

    def stored_rows(self, relation: FileRelation, stop: threading.Event) -> int:
        """Return the number of rows of Parquet files.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        return sum(footer.rows for footer in self._read(relation, stop).values())

    def place(
        self, relation: Relation, mentioned: frozenset[str] | None, owner: str, stop: threading.Event
    ) -> Placed:
        """Return the FROM item of a relation, limited to the columns that the statement mentions.

        Args:
            relation: Files or a table.
            mentioned: Names in lower case; None for all.
            owner: Distinguishes this statement's scratch tables from others.
            stop: Set to end the wait.
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
            known = _merged({uri: footer.columns for uri, footer in footers.items()}, mentioned)
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

    def _read(self, relation: FileRelation, stop: threading.Event) -> dict[str, Footer]:
        listed, _ = self._files.list_files(relation.uris, stop)
        return self._footers.read({uri: found.etag for uri, found in listed.items()}, stop)


def _merged(
    columns: Mapping[str, tuple[Column, ...]], mentioned: frozenset[str] | None
) -> tuple[Column, ...]:
    """Merge columns by case-insensitive name to the wider type; only columns that are read need one."""
    merged: dict[str, Column] = {}
    for uri, found in columns.items():
        for column in found:
            before = merged.setdefault(column.name.lower(), column)
            kind = wider(before.type, column.type, guessed=False)
            if kind is None and mentioned is not None and column.name.lower() not in mentioned:
                kind = before.type
            if kind is None:
                raise SourceSchemaError(
                    f"the column {column.name} is {column.type}, not {before.type} as in other files",
                    where=uri,
                    remedy=f"write the file again with the agreed type, or cast {column.name} in a view over "
                    "the files, and name that under raw.table",
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
