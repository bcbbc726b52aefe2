"""Trino as the SQL engine: the Athena statements nearly as they are, on files its nodes share with us."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import sqlglot.expressions as exp
import trino

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ClusterAssetsError, EngineError
from cluster_assets.domain.tables import Column
from cluster_assets.engines.file_scratch import file_scratch
from cluster_assets.engines.trino_errors import NO_SERVER, translate
from cluster_assets.engines.trino_sessions import TrinoConfig, TrinoSessions
from cluster_assets.engines.trino_sql import quoted, text, trino_text
from cluster_assets.engines.trino_tables import (
    NANOSECONDS,
    check_files,
    make_schema,
    parts_of,
    scratch_tables,
)
from cluster_assets.engines.trino_types import athena_type
from cluster_assets.ports import (
    FileRelation,
    QueryResult,
    Statistics,
    TableRelation,
    UnloadResult,
    WrittenFile,
)
from cluster_assets.sql_files import sources_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from contextlib import AbstractContextManager

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.engines.trino_sessions import Answer
    from cluster_assets.engines.trino_tables import ReadsFooters, ScratchTables
    from cluster_assets.ports import Relation, Scratch, Statement

__all__ = ["TrinoConfig", "TrinoEngine"]

# Rows are added up one after the other, as they stand in the files: one driver, no partial sums. On one node
# the same files then give the same last bit; on several they need not, as their parts arrive in any order.
_IN_ORDER = {"task_concurrency": "1", "max_drivers_per_task": "1", "prefer_partial_aggregation": "false"}
# One writer keeps the order of the rows, so that the same rows are the same bytes.
_ONE_FILE = {
    "skip_redundant_sort": "false",  # Trino drops the order of what it inserts otherwise
    "redistribute_writes": "false",
    "scale_writers": "false",
    "task_scale_writers_enabled": "false",
    "task_min_writer_count": "1",
    "task_max_writer_count": "1",
}


class TrinoEngine:
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Files become external Hive tables for the time of a statement. So every node of the server must see the
    files of this machine under `config.files_root`: one machine, or a shared file system.

    Args:
        config: The server, and where it keeps scratch tables.
        footers: Tells the columns of Parquet files.
    """

    name = "trino"

    def __init__(self, config: TrinoConfig, footers: ReadsFooters) -> None:
        self._config = config
        self._footers = footers
        self._sessions = TrinoSessions(config)
        self._lock = threading.Lock()
        self._schema_made = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing stays open between statements."""

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation, of several files their union; see `ports.SqlEngine`."""
        if isinstance(relation, FileRelation):
            if not relation.uris:
                return relation.columns
            merged: dict[str, Column] = {}
            for columns in self.describe_files(relation).values():
                merged = {column.name: column for column in columns} | merged
            return tuple(merged.values())
        answer = self._ask(f"SELECT * FROM {self._table(relation.name)} LIMIT 0", relation.name)
        return _columns(answer)

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each file by its address.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        check_files(relation)
        return self._footers.describe_files(relation)

    def table_state(self, name: str) -> str:
        """A text that changes when the table may have changed.

        For Iceberg the current snapshot; for Hive a digest of its files, their sizes and times; for anything
        else, views too, a digest of all rows, which reads the whole table.

        Raises:
            SourceMissingError: There is no such table.
        """
        catalog, schema, table = self._parts(name)
        columns = self.describe(TableRelation(name))
        connector = self._connector(catalog)
        if connector == "iceberg":
            refs = quoted(catalog, schema, f"{table}$refs")
            rows = self._ask(f"SELECT snapshot_id FROM {refs} WHERE name = 'main'", name).rows
            return f"snapshot {rows[0][0] if rows else 'none'}"
        if connector == "hive" and self._is_table(catalog, schema, table):
            listed = self._ask(
                'SELECT "$path", CAST("$file_size" AS VARCHAR), CAST("$file_modified_time" AS VARCHAR) '
                f"FROM {self._table(name)} GROUP BY 1, 2, 3",
                name,
            )
            return digest_of({"files": sorted([str(value) for value in row] for row in listed.rows)})
        row = ", ".join(quoted(column.name) for column in columns)
        counted = self._ask(
            f"SELECT count(*), to_hex(checksum(ROW({row}))) FROM {self._table(name)}", name
        ).rows[0]
        return f"{counted[0]} rows {counted[1]}"

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Bytes that reading some columns takes; of a Hive or Iceberg table all its files, of others 0.

        Raises:
            SourceMissingError: A file or table does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        if isinstance(relation, FileRelation):
            if relation.uris:
                check_files(relation)
            return self._footers.scan_bytes(relation, columns)
        catalog, schema, table = self._parts(relation.name)
        self.describe(relation)
        if self._connector(catalog) not in ("hive", "iceberg") or not self._is_table(catalog, schema, table):
            return 0
        files = f'SELECT "$path", "$file_size" AS size FROM {self._table(relation.name)} GROUP BY 1, 2'
        return int(self._ask(f"SELECT coalesce(sum(size), 0) FROM ({files})", relation.name).rows[0][0])

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small answer; see `ports.SqlEngine`."""
        started = time.perf_counter()
        self._prepare()
        with scratch_tables(self._sessions, self._footers) as tables:
            query = self._text(statement, relations, tables)
            answer = self._run(query, statement, tables)
        rows = tuple(dict(zip(answer.names, row, strict=True)) for row in answer.rows)
        return QueryResult(rows, _statistics(started, answer))

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write the rows of a query as one sorted Parquet file, or one a partition; see `ports.SqlEngine`.

        A table without an order is written by as many writers as Trino likes.
        """
        started = time.perf_counter()
        self._prepare()
        if "://" not in prefix_uri:
            Path(prefix_uri).mkdir(parents=True, exist_ok=True)
        with scratch_tables(self._sessions, self._footers) as tables:
            query = self._text(statement, relations, tables)
            _check_contract(
                statement, self._run(f"SELECT * FROM ({query}) LIMIT 0", statement, tables), table
            )
            columns = [(column.name, column.type) for column in table.columns]
            target = tables.create(columns, prefix_uri, table.partitioned_by)
            written = self._run(
                f"INSERT INTO {target} {_sorted(query, table)}", statement, tables, writes=table
            )
            files = self._files(target, statement, tables, table) if written.changed else ()
        if sum(file.rows for file in files) != written.changed:
            raise EngineError(
                f"{statement.name} wrote {written.changed:,} rows, but {prefix_uri} holds others",
                where=prefix_uri,
                remedy="run the day again: another process wrote there",
            )
        return UnloadResult(files, _statistics(started, written))

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """Scratch tables, as files; see `ports.SqlEngine`."""
        return file_scratch(self, prefix_uri)

    def _files(
        self, target: str, statement: Statement, tables: ScratchTables, table: TableContract
    ) -> tuple[WrittenFile, ...]:
        value = "NULL" if table.partitioned_by is None else quoted(table.partitioned_by)
        query = f'SELECT {value}, "$path", "$file_size", count(*) FROM {target} GROUP BY 1, 2, 3'
        found = sorted(self._run(query, statement, tables).rows, key=lambda row: (row[0] or 0, row[1]))
        return tuple(
            WrittenFile(
                _renamed(tables.locations.to_uri(location), number),
                rows,
                size,
                partition=None if partition is None else str(partition),
            )
            for number, (partition, location, size, rows) in enumerate(found)
        )

    def _text(self, statement: Statement, relations: Mapping[str, Relation], tables: ScratchTables) -> str:
        names = sources_of(statement)
        if missing := [name for name in names if name not in relations]:
            raise EngineError(f"{statement.name} reads {', '.join(missing)}, which it was not given")
        wanted = {column.name for column in statement.tree.find_all(exp.Column)}
        try:
            items = {name: tables.from_item(relations[name], wanted) for name in names}
        except trino.exceptions.TrinoQueryError as error:
            raise translate(error, statement.name, tables.files) from error
        return trino_text(statement, items)

    def _run(
        self,
        query: str,
        statement: Statement,
        tables: ScratchTables,
        writes: TableContract | None = None,
    ) -> Answer:
        catalog = self._config.scratch_catalog
        hive = {"compression_codec": "ZSTD", **NANOSECONDS}
        properties = {f"{catalog}.{name}": value for name, value in hive.items()}
        if statement.order_sensitive:
            properties |= _IN_ORDER
        if writes is not None and (writes.sort_by or writes.partitioned_by):
            properties |= _ONE_FILE
        try:
            return self._sessions.run(query, properties)
        except trino.exceptions.TrinoQueryError as error:
            raise translate(error, statement.name, tables.files, self._broken(error, tables)) from error

    def _broken(self, error: trino.exceptions.TrinoQueryError, tables: ScratchTables) -> str | None:
        """The file that Trino cannot decode, where the error may come from one; each is tried by itself."""
        if error.error_type not in ("INTERNAL_ERROR", "EXTERNAL") or error.error_name in NO_SERVER:
            return None
        for location, scan in tables.scans.items():
            try:
                self._sessions.run(scan)
            except trino.exceptions.TrinoQueryError:
                return tables.files[location]
        return None

    def _ask(self, query: str, name: str) -> Answer:
        """About a table of the server."""
        try:
            return self._sessions.run(query)
        except trino.exceptions.TrinoQueryError as error:
            raise translate(error, name, {}) from error

    def _prepare(self) -> None:
        with self._lock:
            if not self._schema_made:
                try:
                    make_schema(self._sessions)
                except trino.exceptions.TrinoQueryError as error:
                    raise self._no_scratch(error) from error
                self._schema_made = True

    def _no_scratch(self, error: trino.exceptions.TrinoQueryError) -> ClusterAssetsError:
        where = f"{self._config.scratch_catalog}.{self._config.scratch_schema}"
        return EngineError(
            f"the schema for scratch tables cannot be made: {error.message}",
            where=where,
            remedy="name a Hive catalog and a schema this user may write to: CLUSTER_TRINO_SCRATCH_CATALOG, "
            "CLUSTER_TRINO_SCRATCH_SCHEMA",
        )

    def _parts(self, name: str) -> tuple[str, str, str]:
        catalog, schema, table = parts_of(name, (self._config.catalog, self._config.schema))
        return catalog, schema, table

    def _table(self, name: str) -> str:
        return quoted(*self._parts(name))

    def _connector(self, catalog: str) -> str:
        found = self._ask(
            f"SELECT connector_name FROM system.metadata.catalogs WHERE catalog_name = {text(catalog)}",
            catalog,
        )
        return str(found.rows[0][0]) if found.rows else ""

    def _is_table(self, catalog: str, schema: str, table: str) -> bool:
        """Whether it is no view, which has no files."""
        found = self._ask(
            f"SELECT table_type FROM {quoted(catalog)}.information_schema.tables "
            f"WHERE table_schema = {text(schema)} AND table_name = {text(table)}",
            table,
        )
        return any(row[0] == "BASE TABLE" for row in found.rows)


def _statistics(started: float, answer: Answer) -> Statistics:
    return Statistics(
        time.perf_counter() - started,
        answer.bytes_read,
        queue_seconds=answer.queue_seconds,
        engine_seconds=answer.engine_seconds,
    )


def _sorted(query: str, table: TableContract) -> str:
    by = table.sort_by if table.partitioned_by is None else (table.partitioned_by, *table.sort_by)
    order = ", ".join(quoted(name) for name in by)
    return f"SELECT * FROM ({query})" + (f" ORDER BY {order}" if order else "")


def _columns(answer: Answer) -> tuple[Column, ...]:
    return tuple(
        Column(name, athena_type(kind)) for name, kind in zip(answer.names, answer.types, strict=True)
    )


def _check_contract(statement: Statement, answer: Answer, table: TableContract) -> None:
    found = _columns(answer)
    if found != table.columns:
        raise EngineError(
            f"{statement.name} does not fill the table {table.name}: it gives {_told(found)}; "
            f"expected {_told(table.columns)}"
        )


def _told(columns: Iterable[Column]) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def _renamed(uri: str, number: int) -> str:
    """Trino names files after the query, without an ending; on this machine they can get a better name."""
    if "://" in uri:
        return uri
    return str(Path(uri).rename(Path(uri).with_name(f"part-{number:05}.parquet")))
