"""Trino as the SQL engine: runs the Athena statements nearly unchanged on files shared with its nodes."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import sqlglot.expressions as exp
import trino

from cluster_assets.backends.file_scratch import file_scratch
from cluster_assets.backends.ports import (
    FileRelation,
    QueryResult,
    Statistics,
    TableRelation,
    UnloadResult,
    WrittenFile,
)
from cluster_assets.backends.sql_base import FileEngine, other_columns, used_relations
from cluster_assets.backends.statements import sources_of
from cluster_assets.backends.trino.errors import NO_SERVER, translate
from cluster_assets.backends.trino.sessions import TrinoConfig, TrinoSessions
from cluster_assets.backends.trino.sql import athena_type, quoted, text, trino_text
from cluster_assets.backends.trino.tables import (
    NANOSECONDS,
    check_files,
    make_schema,
    parts_of,
    scratch_tables,
)
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ClusterAssetsError, EngineError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from contextlib import AbstractContextManager

    from cluster_assets.backends.ports import Relation, Scratch, Statement
    from cluster_assets.backends.trino.sessions import Answer
    from cluster_assets.backends.trino.tables import ReadsFooters, ScratchTables
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.domain.times.layouts import TableDay

__all__ = ["TrinoConfig", "TrinoEngine"]

# One driver and no partial sums, so that rows are summed in file order. On a single node, the same files then
# give bit-identical sums; on several nodes they may not, because splits arrive in any order.
_IN_ORDER = {"task_concurrency": "1", "max_drivers_per_task": "1", "prefer_partial_aggregation": "false"}
# One writer keeps the row order, so that equal rows give identical files.
_ONE_FILE = {
    "skip_redundant_sort": "false",  # otherwise Trino ignores the ORDER BY of an insert
    "redistribute_writes": "false",
    "scale_writers": "false",
    "task_scale_writers_enabled": "false",
    "task_min_writer_count": "1",
    "task_max_writer_count": "1",
}


class TrinoEngine(FileEngine):
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Files become external Hive tables for the duration of a statement. Every node of the server must therefore
    see the local files under `config.files_root`: on a single machine, or through a shared file system.

    Args:
        config: The server, and the schema of scratch tables.
        footers: Reads the columns of Parquet files.
    """

    name = "trino"

    def __init__(self, config: TrinoConfig, footers: ReadsFooters) -> None:
        self._config = config
        self._footers = footers
        self._sessions = TrinoSessions(config)
        self._lock = threading.Lock()
        self._schema_made = False

    def close(self) -> None:
        """Do nothing; no connection stays open between statements."""

    def describe_table(self, relation: TableRelation) -> tuple[Column, ...]:
        """Return the columns of a table of the server."""
        answer = self._ask(f"SELECT * FROM {self._table(relation.name)} LIMIT 0", relation.name)
        return _columns(answer)

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        check_files(relation)
        return self._footers.describe_files(relation)

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        """Return a string that changes whenever the table, or the part of it, may have changed.

        For a Hive table, it is a digest of its files with their sizes and times; for a whole Iceberg table,
        the current snapshot; otherwise a digest of the rows, which reads them all.

        Raises:
            SourceMissingError: The table does not exist.
        """
        catalog, schema, table = self._parts(name)
        columns = self.describe(TableRelation(name))
        connector = self._connector(catalog)
        spelled = part is not None and part.is_spelled_by(column.name for column in columns)
        where = f" WHERE {part.predicate}" if part is not None and spelled else ""
        if connector == "iceberg" and not where:
            refs = quoted(catalog, schema, f"{table}$refs")
            rows = self._ask(f"SELECT snapshot_id FROM {refs} WHERE name = 'main'", name).rows
            return f"snapshot {rows[0][0] if rows else 'none'}"
        if connector == "hive" and self._is_table(catalog, schema, table):
            listed = self._ask(
                'SELECT "$path", CAST("$file_size" AS VARCHAR), CAST("$file_modified_time" AS VARCHAR) '
                f"FROM {self._table(name)}{where} GROUP BY 1, 2, 3",
                name,
            )
            return digest_of({"files": sorted([str(value) for value in row] for row in listed.rows)})
        row = ", ".join(quoted(column.name) for column in columns)
        counted = self._ask(
            f"SELECT count(*), to_hex(checksum(ROW({row}))) FROM {self._table(name)}{where}", name
        ).rows[0]
        return f"{counted[0]} rows {counted[1]}"

    def stored_rows(self, relation: FileRelation) -> int:
        """Return the number of rows of Parquet files according to their footers; see `ports.SqlEngine`."""
        return self._footers.stored_rows(relation)

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Return the bytes of a scan of some columns; for a Hive or Iceberg table, all its files; else 0.

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
        """Run a query with a small result; see `ports.SqlEngine`."""
        started = time.perf_counter()
        self._prepare()
        with scratch_tables(self._sessions, self._footers) as tables:
            query = self._text(statement, relations, tables)
            answer = self._run(query, statement, tables)
        rows = tuple(dict(zip(answer.names, row, strict=True)) for row in answer.rows)
        return QueryResult(rows, _statistics(started, answer), answer.names)

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write a query as one sorted Parquet file, or one per partition; see `ports.SqlEngine`.

        If the table has no sort order, Trino chooses the number of writers and files.
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
                f"{statement.name} wrote {counted(written.changed, 'row')}, but {prefix_uri} contains others",
                where=prefix_uri,
                remedy="run the day again: another process wrote to this folder",
            )
        return UnloadResult(files, _statistics(started, written))

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """Return a scratch that keeps its tables as files; see `ports.SqlEngine`."""
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
        used = used_relations(statement, sources_of(statement), relations)
        wanted = {column.name for column in statement.tree.find_all(exp.Column)}
        try:
            items = {name: tables.from_item(relation, wanted) for name, relation in used.items()}
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
        """Return the first file that Trino cannot decode, if the error may come from a file."""
        if error.error_type not in ("INTERNAL_ERROR", "EXTERNAL") or error.error_name in NO_SERVER:
            return None
        for location, scan in tables.scans.items():
            try:
                self._sessions.run(scan)
            except trino.exceptions.TrinoQueryError:
                return tables.files[location]
        return None

    def _ask(self, query: str, name: str) -> Answer:
        """Run a query about a table of the server."""
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
            f"the schema for scratch tables cannot be created: {error.message}",
            where=where,
            remedy="name a Hive catalog and a schema this user can write to: CLUSTER_TRINO_SCRATCH_CATALOG, "
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
        """Whether it is a table with files, not a view."""
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
        raise other_columns(statement.name, table.name, found, table.columns)


def _renamed(uri: str, number: int) -> str:
    """Return the URI of a file; local files are renamed, because Trino's names have no extension."""
    if "://" in uri:
        return uri
    return str(Path(uri).rename(Path(uri).with_name(f"part-{number:05}.parquet")))
