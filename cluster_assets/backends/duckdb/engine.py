"""DuckDB as the local SQL engine: runs the transpiled Athena statements on local files."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.errors import file_error, translate
from cluster_assets.backends.duckdb.files import (
    PATH_COLUMN,
    files_of,
    folders_of,
    from_item,
    is_of_database,
    parquet_columns,
    scratches_of,
)
from cluster_assets.backends.duckdb.reading.casts import cast_item
from cluster_assets.backends.duckdb.reading.footers import ChunkSizes, footer_rows
from cluster_assets.backends.duckdb.reading.tables import table_error
from cluster_assets.backends.duckdb.reading.text_files import TextFiles, columns_of_query
from cluster_assets.backends.duckdb.sessions import Confinement, DuckDbConfig, DuckDbSessions, interruptibly
from cluster_assets.backends.duckdb.sql import duckdb_text, reads_of
from cluster_assets.backends.duckdb.writing import (
    check_contract,
    copy_partitioned,
    copy_sorted,
    create_sorted,
)
from cluster_assets.backends.file_scratch import file_scratch
from cluster_assets.backends.ports import (
    FileRelation,
    QueryResult,
    ScratchTable,
    Statistics,
    TableRelation,
    UnloadResult,
    WrittenFile,
)
from cluster_assets.backends.sql_base import FileEngine, used_relations
from cluster_assets.domain.errors import EngineError, SourceMissingError
from cluster_assets.spec.expressions.printed import SOURCE_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from cluster_assets.backends.ports import Relation, Scratch, Statement
    from cluster_assets.domain.errors import ClusterAssetsError
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.domain.times.layouts import TableDay

__all__ = ["DuckDbConfig", "DuckDbEngine"]

_FILE_NAME = "part-00000.parquet"


class DuckDbEngine(FileEngine):
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Args:
        config: Memory, threads and folders.
    """

    name = "duckdb"

    def __init__(self, config: DuckDbConfig) -> None:
        self._config = config
        self._sessions = DuckDbSessions(config)
        self._chunk_sizes = ChunkSizes()
        self._text_files = TextFiles()

    def close(self) -> None:
        """Close all connections; the next statement opens new ones."""
        self._sessions.close()

    def describe_table(self, relation: TableRelation) -> tuple[Column, ...]:
        """Return the columns of a table of the configured database."""
        self._check_database(relation)
        with contextlib.closing(self._sessions.cursor(frozenset(), tables=True)) as cursor:
            try:
                return columns_of_query(cursor, f"SELECT * FROM {from_item(relation)}")
            except duckdb.Error as error:
                raise table_error(error, cursor, relation.name, self._config.database) from error

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI; for text files, declared types replace inferred ones.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file does not have the format.
        """
        with contextlib.closing(self._sessions.cursor(folders_of(relation))) as cursor:
            if relation.format != "parquet":
                return self._text_files.describe(cursor, relation)
            with contextlib.suppress(duckdb.Error):  # a broken file fails the query; the code below finds it
                return parquet_columns(cursor, relation)
            return _describe_each(cursor, relation)

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        """Return the size and time of the database file, which change whenever a table does.

        For a part, return the number of its rows and the sum of their hashes, which reads them all.

        Raises:
            SourceMissingError: No database is configured, or its file does not exist.
        """
        self._check_database(TableRelation(name))
        database = self._config.database
        if database is None or not database.is_file():
            raise SourceMissingError(
                f"the database of the table {name} does not exist",
                where=str(database),
                remedy="correct CLUSTER_DUCKDB_DATABASE",
            )
        if part is not None:
            return self._rows_state(TableRelation(name), part)
        state = database.stat()
        return f"{database.absolute()} {state.st_size} {state.st_mtime_ns}"

    def _rows_state(self, table: TableRelation, part: TableDay) -> str:
        """Digest the rows of a day; of a table without its columns, the whole table, and `raw` refuses it."""
        columns = self.describe(table)
        known = part.is_spelled_by(column.name for column in columns)
        item = from_item(table)
        where = f" WHERE {part.predicate}" if known else ""
        query = f"SELECT count(*), CAST(sum(hash(t)) AS VARCHAR) FROM (SELECT * FROM {item}{where}) AS t"
        with contextlib.closing(self._sessions.cursor(frozenset(), tables=True)) as cursor:
            try:
                found = interruptibly(cursor, lambda: cursor.execute(query).fetchall())
            except duckdb.Error as error:
                raise table_error(error, cursor, table.name, self._config.database) from error
        names = ", ".join(f"{column.name} {column.type}" for column in columns)
        return f"{names}: {found[0][0]}, {found[0][1]}"

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small result; see `ports.SqlEngine`."""
        started = time.perf_counter()
        used = self._used(statement, relations)
        with self._running(statement, used) as (cursor, text):
            columns, rows = interruptibly(cursor, lambda: _result(cursor, text))
        return QueryResult(rows, self._statistics(started, statement, used), columns)

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write a query as one sorted Parquet file, or one per partition; see `ports.SqlEngine`."""
        started = time.perf_counter()
        used = self._used(statement, relations)
        folder = Path(prefix_uri)
        with self._running(statement, used, writes=folder) as (cursor, text):
            folder.mkdir(parents=True, exist_ok=True)
            write = _write_sorted if table.partitioned_by is None else _write_partitioned
            files = write(cursor, text, statement, table, folder)
        return UnloadResult(files, self._statistics(started, statement, used))

    @contextlib.contextmanager
    def scratch(self, prefix_uri: str) -> Iterator[Scratch]:
        """Yield a scratch, kept in DuckDB itself if the folders of all statements are known in advance.

        See `ports.SqlEngine`.
        """
        if not self._sessions.keeps(prefix_uri):
            with file_scratch(self, prefix_uri) as scratch:
                yield scratch
            return
        with self._sessions.scratch() as name:
            yield partial(self._keep, name)

    def _keep(
        self, name: str, statement: Statement, relations: Mapping[str, Relation], table: TableContract
    ) -> ScratchTable:
        """Fill a table of a scratch; see `ports.Scratch`."""
        started = time.perf_counter()
        used = self._used(statement, relations)
        with self._running(statement, used, scratch=name) as (cursor, text):
            interruptibly(cursor, lambda: create_sorted(cursor, text, statement, table, name))
        relation = TableRelation(table.name, scratch=name)
        return ScratchTable(relation, self._statistics(started, statement, used))

    @contextlib.contextmanager
    def _running(
        self,
        statement: Statement,
        used: Mapping[str, Relation],
        *,
        writes: Path | None = None,
        scratch: str | None = None,
    ) -> Iterator[tuple[duckdb.DuckDBPyConnection, str]]:
        """Yield a cursor for a statement and its text; errors of DuckDB are translated."""
        with contextlib.closing(self._cursor(statement, used, writes, scratch)) as cursor:
            try:
                yield cursor, self._text(cursor, statement, used)
            except duckdb.Error as error:
                raise self._translated(error, statement, used) from error

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Return the bytes of a scan of some columns; see `ports.SqlEngine`."""
        if not isinstance(relation, FileRelation) or not relation.uris:
            return 0
        if relation.format != "parquet":
            return sum(Path(uri).stat().st_size for uri in relation.uris)
        with contextlib.closing(self._sessions.cursor(folders_of(relation))) as cursor:
            try:
                return self._chunk_sizes.bytes_of(cursor, relation, columns)
            except duckdb.Error as error:
                raise file_error(error, relation, relation.uris[0]) from error

    def stored_rows(self, relation: FileRelation) -> int:
        """Return the number of rows of Parquet files according to their footers; see `ports.SqlEngine`."""
        if not relation.uris:
            return 0
        with contextlib.closing(self._sessions.cursor(folders_of(relation))) as cursor:
            try:
                return footer_rows(cursor, relation)
            except duckdb.Error as error:
                raise file_error(error, relation, relation.uris[0]) from error

    def _statistics(self, started: float, statement: Statement, used: Mapping[str, Relation]) -> Statistics:
        seconds = time.perf_counter() - started
        columns = reads_of(statement).columns
        return Statistics(seconds, sum(self.scan_bytes(relation, columns) for relation in used.values()))

    def _used(self, statement: Statement, relations: Mapping[str, Relation]) -> dict[str, Relation]:
        """Return the relations that the statement reads."""
        used = used_relations(statement, reads_of(statement).tables, relations)
        for relation in used.values():
            self._check_database(relation)
        return used

    def _check_database(self, relation: Relation) -> None:
        if self._config.database is None and is_of_database(relation):
            raise SourceMissingError(
                f"the table {relation.name} cannot be read: no database is configured",
                where=f"raw.table: {relation.name}",
                remedy="set CLUSTER_DUCKDB_DATABASE to the DuckDB file that contains it, or use raw.files",
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
            raise EngineError(f"{statement.name} depends on the row order, which scratch tables do not keep")
        if kept:
            return self._sessions.scratch_cursor(kept[0], folders)
        # A single thread sums in row order, so that equal inputs give bit-identical sums.
        threads = 1 if statement.order_sensitive else None
        tables = any(is_of_database(relation) for relation in used.values())
        if SOURCE_ROWS in reads_of(statement).tables:
            files = frozenset[str]().union(*(files_of(relation) for relation in used.values()))
            folder = None if writes is None else str(writes)
            return self._sessions.confined_cursor(Confinement(files, folder, threads, tables))
        return self._sessions.cursor(folders, threads=threads, tables=tables)

    def _translated(
        self, error: duckdb.Error, statement: Statement, used: Mapping[str, Relation]
    ) -> ClusterAssetsError:
        if isinstance(error, duckdb.FatalException | duckdb.InternalException):
            self._sessions.close()  # the instance is no longer usable
        with contextlib.closing(self._cursor(statement, used)) as probe:

            def alone(relation: FileRelation, uri: str) -> None:
                narrow = {
                    name: replace(relation, uris=(uri,)) if one is relation else one
                    for name, one in used.items()
                }
                cursor = probe.execute(self._text(probe, statement, narrow))
                while cursor.fetchmany(10_000):
                    pass

            return translate(error, statement, used.values(), probe, alone)

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
                items[name] = self._text_files.item(cursor, relation, sorted(wanted))
            elif isinstance(relation, FileRelation) and relation.uris and relation.types:
                items[name] = cast_item(relation, parquet_columns(cursor, relation), with_path=with_path)
            else:
                items[name] = from_item(relation, with_path=with_path)
        return duckdb_text(statement, items)


def _write_sorted(
    cursor: duckdb.DuckDBPyConnection, text: str, statement: Statement, table: TableContract, folder: Path
) -> tuple[WrittenFile, ...]:
    """Write one file, which appears under its name when it is complete; none without rows."""
    target, partial = folder / _FILE_NAME, folder / f".{_FILE_NAME}.{os.getpid()}.tmp"
    try:
        rows = interruptibly(cursor, lambda: copy_sorted(cursor, text, table, partial))
        check_contract(statement, cursor, table, partial)
        if not rows:
            return ()
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return (WrittenFile(str(target), rows, target.stat().st_size),)


def _write_partitioned(
    cursor: duckdb.DuckDBPyConnection, text: str, statement: Statement, table: TableContract, folder: Path
) -> tuple[WrittenFile, ...]:
    files = interruptibly(cursor, lambda: copy_partitioned(cursor, text, table, folder))
    if files:
        stored = replace(table, columns=table.columns[:-1])
        check_contract(statement, cursor, stored, Path(files[0].uri))
    return files


def _describe_each(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation
) -> dict[str, tuple[Column, ...]]:
    found = {}
    for uri in relation.uris:
        one = FileRelation((uri,), partition_column=relation.partition_column)
        try:
            found[uri] = columns_of_query(cursor, f"SELECT * FROM {from_item(one)}")
        except duckdb.Error as error:
            raise file_error(error, relation, uri) from error
    return found


def _result(
    cursor: duckdb.DuckDBPyConnection, query: str
) -> tuple[tuple[str, ...], tuple[dict[str, object], ...]]:
    """Return the names of the columns, and the rows."""
    rows = cursor.execute(query).fetchall()
    names = tuple(column[0] for column in cursor.description or ())
    return names, tuple(dict(zip(names, row, strict=True)) for row in rows)
