"""DuckDB as the SQL engine of one machine: the Athena statements, transpiled, on local files."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import duckdb
import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError, SourceMissingError
from cluster_assets.engines.duckdb_errors import file_error, translate
from cluster_assets.engines.duckdb_files import (
    PATH_COLUMN,
    folders_of,
    from_item,
    is_of_database,
    parquet_columns,
    scratches_of,
)
from cluster_assets.engines.duckdb_footers import ChunkSizes
from cluster_assets.engines.duckdb_partitions import copy_partitioned
from cluster_assets.engines.duckdb_scratch import KeptScratch, create_sorted
from cluster_assets.engines.duckdb_sessions import DuckDbConfig, DuckDbSessions, interruptibly
from cluster_assets.engines.duckdb_sql import duckdb_text, reads_of
from cluster_assets.engines.duckdb_text_files import (
    columns_of_query,
    declared,
    text_columns,
    text_item,
    without_values,
)
from cluster_assets.engines.duckdb_writing import check_contract, copy_sorted
from cluster_assets.engines.file_scratch import FileScratch
from cluster_assets.ports import (
    FileRelation,
    QueryResult,
    Statistics,
    TableRelation,
    UnloadResult,
    WrittenFile,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cluster_assets.domain.errors import ClusterAssetsError
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.ports import Relation, Scratch, Statement

__all__ = ["DuckDbConfig", "DuckDbEngine"]

_FILE_NAME = "part-00000.parquet"


class DuckDbEngine:
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Args:
        config: Memory, threads and folders.
    """

    name = "duckdb"

    def __init__(self, config: DuckDbConfig) -> None:
        self._config = config
        self._sessions = DuckDbSessions(config)
        self._chunk_sizes = ChunkSizes()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; the next statement opens new ones."""
        self._sessions.close()

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation, of several files their union; see `ports.SqlEngine`."""
        if isinstance(relation, FileRelation):
            if not relation.uris:
                return relation.columns
            merged: dict[str, Column] = {}
            for columns in self.describe_files(relation).values():
                merged = {column.name: column for column in columns} | merged
            return tuple(merged.values())
        self._check_database(relation)
        cursor = self._sessions.cursor(frozenset(), tables=True)
        try:
            return columns_of_query(cursor, f"SELECT * FROM {from_item(relation).sql('duckdb')}")
        except duckdb.Error as error:
            raise SourceMissingError(
                f"the table {relation.name} is not in the database: {str(error).splitlines()[0]}",
                where=str(self._config.database),
                remedy="check raw.table; SHOW ALL TABLES in DuckDB lists what is there",
            ) from error
        finally:
            cursor.close()

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each file by its address; declared types of text files stand for found ones.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not of the format.
        """
        cursor = self._sessions.cursor(folders_of(relation))
        try:
            if relation.format == "parquet":
                with contextlib.suppress(duckdb.Error):  # one broken file spoils it; told apart below
                    return parquet_columns(cursor, relation)
            return self._describe_each(cursor, relation)
        finally:
            cursor.close()

    def table_state(self, name: str) -> str:
        """A text that changes when the table may have changed: size and time of the database file.

        Raises:
            SourceMissingError: There is no database, or its file is gone.
        """
        self._check_database(TableRelation(name))
        database = self._config.database
        if database is None or not database.is_file():
            raise SourceMissingError(
                f"the database of the table {name} is not there",
                where=str(database),
                remedy="correct CLUSTER_DUCKDB_DATABASE",
            )
        state = database.stat()
        return f"{database.absolute()} {state.st_size} {state.st_mtime_ns}"

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small answer; see `ports.SqlEngine`."""
        started = time.perf_counter()
        used = self._used(statement, relations)
        cursor = self._cursor(statement, used)
        try:
            text = self._text(cursor, statement, used)
            rows = interruptibly(cursor, lambda: _rows(cursor, text))
        except duckdb.Error as error:
            raise self._translated(error, statement, used) from error
        finally:
            cursor.close()
        return QueryResult(rows, self._statistics(started, statement, used))

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write the rows of a query as one sorted Parquet file, or one a partition; see `ports.SqlEngine`."""
        started = time.perf_counter()
        used = self._used(statement, relations)
        folder = Path(prefix_uri)
        if table.partitioned_by is not None:
            files = self._unload_partitioned(statement, used, table, folder)
            return UnloadResult(files, self._statistics(started, statement, used))
        target, partial = folder / _FILE_NAME, folder / f".{_FILE_NAME}.{os.getpid()}.tmp"
        cursor = self._cursor(statement, used, writes=folder)
        try:
            text = self._text(cursor, statement, used)
            folder.mkdir(parents=True, exist_ok=True)
            rows = interruptibly(cursor, lambda: copy_sorted(cursor, text, table, partial))
            check_contract(statement, cursor, table, partial)
            if rows:
                partial.replace(target)
        except duckdb.Error as error:
            raise self._translated(error, statement, used) from error
        finally:
            cursor.close()
            partial.unlink(missing_ok=True)
        files = (WrittenFile(str(target), rows, target.stat().st_size),) if rows else ()
        return UnloadResult(files, self._statistics(started, statement, used))

    @contextlib.contextmanager
    def scratch(self, prefix_uri: str) -> Iterator[Scratch]:
        """Scratch tables, in DuckDB itself where the folders of all statements are known beforehand.

        See `ports.SqlEngine`.
        """
        if not self._sessions.keeps(prefix_uri):
            yield FileScratch(self, prefix_uri)
            return
        with self._sessions.scratch() as name:
            yield KeptScratch(name, self._keep)

    def _keep(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract, name: str
    ) -> Statistics:
        started = time.perf_counter()
        used = self._used(statement, relations)
        cursor = self._cursor(statement, used, scratch=name)
        try:
            text = self._text(cursor, statement, used)
            interruptibly(cursor, lambda: create_sorted(cursor, text, statement, table, name))
        except duckdb.Error as error:
            raise self._translated(error, statement, used) from error
        finally:
            cursor.close()
        return self._statistics(started, statement, used)

    def _unload_partitioned(
        self, statement: Statement, used: Mapping[str, Relation], table: TableContract, folder: Path
    ) -> tuple[WrittenFile, ...]:
        cursor = self._cursor(statement, used, writes=folder)
        try:
            text = self._text(cursor, statement, used)
            folder.mkdir(parents=True, exist_ok=True)
            files = interruptibly(cursor, lambda: copy_partitioned(cursor, text, table, folder))
            if files:
                stored = replace(table, columns=table.columns[:-1])
                check_contract(statement, cursor, stored, Path(files[0].uri))
        except duckdb.Error as error:
            raise self._translated(error, statement, used) from error
        finally:
            cursor.close()
        return files

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Bytes that reading some columns takes; see `ports.SqlEngine`."""
        if not isinstance(relation, FileRelation) or not relation.uris:
            return 0
        if relation.format != "parquet":
            return sum(Path(uri).stat().st_size for uri in relation.uris)
        cursor = self._sessions.cursor(folders_of(relation))
        try:
            return self._chunk_sizes.bytes_of(cursor, relation, columns)
        except duckdb.Error as error:
            raise file_error(error, relation, relation.uris[0]) from error
        finally:
            cursor.close()

    def _statistics(self, started: float, statement: Statement, used: Mapping[str, Relation]) -> Statistics:
        seconds = time.perf_counter() - started
        columns = reads_of(statement).columns
        return Statistics(seconds, sum(self.scan_bytes(relation, columns) for relation in used.values()))

    def _used(self, statement: Statement, relations: Mapping[str, Relation]) -> dict[str, Relation]:
        """The relations the statement reads."""
        names = reads_of(statement).tables
        if missing := [name for name in names if name not in relations]:
            raise EngineError(f"{statement.name} reads {', '.join(missing)}, which it was not given")
        for name in names:
            self._check_database(relations[name])
        return {name: relations[name] for name in names}

    def _check_database(self, relation: Relation) -> None:
        if self._config.database is None and is_of_database(relation):
            raise SourceMissingError(
                f"the table {relation.name} is wanted, but no database is configured",
                where=f"raw.table: {relation.name}",
                remedy="set CLUSTER_DUCKDB_DATABASE to the DuckDB file that holds it, or use raw.files",
            )

    def _cursor(
        self,
        statement: Statement,
        used: Mapping[str, Relation],
        writes: Path | None = None,
        scratch: str | None = None,
    ) -> duckdb.DuckDBPyConnection:
        folders = frozenset[str]().union(*(folders_of(relation) for relation in used.values()))
        if writes is not None:
            folders |= {str(writes)}
        kept = [scratch] if scratch else scratches_of(used.values())
        if kept and statement.order_sensitive:
            raise EngineError(f"{statement.name} depends on the order of rows; scratch tables have none")
        if kept:
            return self._sessions.scratch_cursor(kept[0], folders)
        # One thread adds up in the order of the rows: the same input gives the same last bit.
        threads = 1 if statement.order_sensitive else None
        tables = any(is_of_database(relation) for relation in used.values())
        return self._sessions.cursor(folders, threads=threads, tables=tables)

    def _translated(
        self, error: duckdb.Error, statement: Statement, used: Mapping[str, Relation]
    ) -> ClusterAssetsError:
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            self._sessions.close()  # the instance answers nothing any more
        probe = self._cursor(statement, used)
        try:

            def alone(relation: FileRelation, uri: str) -> None:
                narrow = {
                    name: replace(relation, uris=(uri,)) if one is relation else one
                    for name, one in used.items()
                }
                cursor = probe.execute(self._text(probe, statement, narrow))
                while cursor.fetchmany(10_000):
                    pass

            return translate(error, statement.name, used.values(), probe, alone)
        finally:
            probe.close()

    def _text(
        self, cursor: duckdb.DuckDBPyConnection, statement: Statement, used: Mapping[str, Relation]
    ) -> str:
        items = {}
        with_path = PATH_COLUMN in reads_of(statement).columns
        for name, relation in used.items():
            if isinstance(relation, FileRelation) and relation.uris and relation.format in ("csv", "json"):
                columns = list(statement.tree.find_all(exp.Column))
                wanted = {column.name for column in columns if column.table == name}
                wanted |= {column.name for column in columns if not column.table} - wanted
                found = self._describe_each(cursor, relation)
                items[name] = text_item(cursor, relation, found, sorted(wanted))
            else:
                items[name] = from_item(relation, with_path=with_path)
        return duckdb_text(statement, items)

    def _describe_each(
        self, cursor: duckdb.DuckDBPyConnection, relation: FileRelation
    ) -> dict[str, tuple[Column, ...]]:
        found = {}
        for uri in relation.uris:
            try:
                columns = _columns_of_file(cursor, relation, uri)
            except duckdb.Error as error:
                raise file_error(error, relation, uri) from error
            found[uri] = declared(columns, relation.types)
        return found if relation.format == "parquet" else without_values(cursor, relation, found)


def _columns_of_file(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str
) -> tuple[Column, ...]:
    if relation.format != "parquet":
        return text_columns(cursor, relation, uri)
    one = FileRelation((uri,), partition_column=relation.partition_column)
    return columns_of_query(cursor, f"SELECT * FROM {from_item(one).sql('duckdb')}")


def _rows(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[dict[str, object], ...]:
    rows = cursor.execute(query).fetchall()
    names = [column[0] for column in cursor.description or ()]
    return tuple(dict(zip(names, row, strict=True)) for row in rows)
