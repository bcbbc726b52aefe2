"""Amazon Athena as the SQL engine: runs the statements unchanged on files and tables of the lake."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster_assets.backends.athena.catalog import GlueCatalog
from cluster_assets.backends.athena.config import AthenaConfig, open_clients
from cluster_assets.backends.athena.errors import persistently
from cluster_assets.backends.athena.files import S3Files, written_files
from cluster_assets.backends.athena.footers import ParquetFooters, split_uri
from cluster_assets.backends.athena.queries import (
    AthenaQueries,
    Query,
    check_length,
    interruptibly,
    statistics_of,
    token_of,
)
from cluster_assets.backends.athena.relations import AthenaRelations
from cluster_assets.backends.athena.scratch import AthenaScratch
from cluster_assets.backends.athena.small_reads import SmallReads
from cluster_assets.backends.athena.sql import (
    athena_text,
    cast_columns,
    described_text,
    mentioned_columns,
    same_columns,
    table_item,
    unload_text,
)
from cluster_assets.backends.file_scratch import file_scratch
from cluster_assets.backends.ports import FileRelation, QueryResult, UnloadResult
from cluster_assets.backends.sql_base import FileEngine, gone, other_columns, used_relations
from cluster_assets.backends.statements import sources_of
from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    import datetime as dt
    import threading
    from collections.abc import Callable, Collection, Mapping
    from contextlib import AbstractContextManager

    import sqlglot.expressions as exp
    from pyathena.model import AthenaQueryExecution

    from cluster_assets.backends.athena.config import AthenaClients
    from cluster_assets.backends.athena.scratch import ScratchTable
    from cluster_assets.backends.ports import Relation, Scratch, Statement, TableRelation, WrittenFile
    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.domain.times.layouts import TableDay

__all__ = ["AthenaConfig", "AthenaEngine"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The tree and text of a statement, and the tables it needs."""

    name: str
    tree: exp.Query
    text: str
    tables: tuple[ScratchTable, ...]


class AthenaEngine(FileEngine):
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Athena sums doubles in no fixed order, so an `order_sensitive` statement may differ in the last bit
    between runs.

    Every public method may be interrupted. The running query is then stopped, its scratch tables are
    dropped, and the original exception is raised.

    Args:
        config: Where queries run.
        clients: AWS clients; by default those of the standard AWS environment.
    """

    name = "athena"

    def __init__(self, config: AthenaConfig, clients: AthenaClients | None = None) -> None:
        self._config = config
        self._clients = clients or open_clients(config.work_group, parallel=config.parallel)
        self._queries = AthenaQueries(self._clients.athena, config)
        self._files = S3Files(self._clients.s3, config.patience)
        self._footers = ParquetFooters(self._clients.s3, config.parallel, config.patience)
        self._catalog = GlueCatalog(self._clients.glue, self._files, config)
        self._relations = AthenaRelations(self._files, self._footers, config)
        self._scratch = AthenaScratch(self._clients.glue, config)
        self._small_reads = SmallReads(self._files, config)

    def close(self) -> None:
        """Close the connections."""
        self._small_reads.close()
        self._clients.close()

    def describe_table(self, relation: TableRelation) -> tuple[Column, ...]:
        """Return the columns of a table from Glue."""
        return interruptibly(lambda stop: self._catalog.describe(relation.name, stop))

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Return the columns of each file by URI, from its footer.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        return interruptibly(lambda stop: self._relations.describe_files(relation, stop))

    def table_state(self, name: str, part: TableDay | None = None) -> str:
        """Return a string that changes whenever the table, or the part of it, may have changed.

        It contains Glue's version and update time of the table. For an Iceberg table it adds the metadata
        file, which every commit replaces. For a Hive table it adds a digest of the listing (URI, size and
        ETag) of all objects, because writers may add files without updating Glue; this takes one request per
        thousand objects. For a view it contains the states of the tables it reads.

        For a part of a Hive table whose partition keys spell the day, it contains the columns of the table
        and the listing of the partitions of the day only.

        Raises:
            SourceMissingError: The table does not exist.
            EngineError: The table is in another catalog, or it is a view that cannot be parsed.
        """
        return interruptibly(lambda stop: self._catalog.state(name, stop, part))

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Return the bytes of a scan of some columns; for a table, all its objects. See `ports.SqlEngine`."""
        if isinstance(relation, FileRelation):
            return interruptibly(lambda stop: self._relations.scan_bytes(relation, columns, stop))
        return interruptibly(lambda stop: self._catalog.bytes_of(relation.name, stop))

    def stored_rows(self, relation: FileRelation) -> int:
        """Return the number of rows of Parquet files according to their footers; see `ports.SqlEngine`."""
        return interruptibly(lambda stop: self._relations.stored_rows(relation, stop))

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Answer from small tables in this process, or run a query; see `ports.SqlEngine`."""
        used = used_relations(statement, sources_of(statement), relations)
        if (answer := self._small_reads.fetch(statement, used)) is not None:
            return answer
        return interruptibly(lambda stop: self._fetch(statement, used, stop))

    def write(
        self, statement: Statement, relations: Mapping[str, Relation], into: Callable[[str], str]
    ) -> None:
        """Run a statement that writes a table of Athena's own, from the rows of a query.

        Args:
            statement: The query.
            relations: What it reads.
            into: Returns the statement for the text of the query; it must be safe to repeat.
        """
        used = used_relations(statement, sources_of(statement), relations)
        interruptibly(lambda stop: self._write((statement, used), into, stop))

    def define(self, name: str, text: str) -> None:
        """Run a statement that defines a table; it must be safe to repeat."""
        interruptibly(lambda stop: self._run(name, text, stop))

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write the rows of a query as unsorted zstd Parquet files; see `ports.SqlEngine`.

        A table of clusters whose inputs are small is written by this process, as one sorted file.

        A failed write may leave files, so each retry uses its own folder, `prefix/retry-1/`. Only files in
        Athena's manifest of the successful attempt count.
        """
        split_uri(prefix_uri)
        used = used_relations(statement, sources_of(statement), relations)
        written = (
            self._small_reads.unload(statement, used, table, prefix_uri) if table.is_of_clusters else None
        )
        if written is not None:
            return written
        return interruptibly(lambda stop: self._unload((statement, used), table, prefix_uri, stop))

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """Return a scratch that keeps its tables as files; see `ports.SqlEngine`."""
        return file_scratch(self, prefix_uri)

    def sweep(self, before: dt.datetime) -> int:
        """Drop scratch tables that killed processes left before a time, and return their number."""
        return self._scratch.sweep(before)

    def _fetch(
        self, statement: Statement, used: Mapping[str, Relation], stop: threading.Event
    ) -> QueryResult:
        """Run a query and read its small result page by page."""
        started = time.perf_counter()
        prepared = self._prepare(statement, used, uuid.uuid4().hex, stop)
        try:
            self._scratch.create(prepared.tables, stop)
            query, execution = self._run(prepared.name, prepared.text, stop)
            columns, rows = self._queries.result(query, execution, stop)
        finally:
            self._scratch.drop(prepared.tables)
        return QueryResult(rows, statistics_of(execution, time.perf_counter() - started), columns)

    def _write(
        self,
        source: tuple[Statement, Mapping[str, Relation]],
        into: Callable[[str], str],
        stop: threading.Event,
    ) -> None:
        prepared = self._prepare(*source, uuid.uuid4().hex, stop)
        text = into(prepared.text)
        check_length(prepared.name, text)
        try:
            self._scratch.create(prepared.tables, stop)
            self._run(prepared.name, text, stop)
        finally:
            self._scratch.drop(prepared.tables)

    def _run(self, name: str, text: str, stop: threading.Event) -> tuple[Query, AthenaQueryExecution]:
        owner = uuid.uuid4().hex  # makes the token unique, because an earlier result may be stale

        def attempt(number: int) -> tuple[Query, AthenaQueryExecution]:
            query = Query(name, text, token_of(text, f"{owner}/{number}"))
            return query, self._queries.run(query, stop)

        return persistently(attempt, self._config.patience, stop, place=name)

    def _unload(
        self,
        source: tuple[Statement, Mapping[str, Relation]],
        table: TableContract,
        prefix_uri: str,
        stop: threading.Event,
    ) -> UnloadResult:
        started = time.perf_counter()
        prepared = self._prepare(*source, prefix_uri, stop)
        prefix = prefix_uri.rstrip("/")

        def attempt(number: int) -> tuple[str, AthenaQueryExecution]:
            target = f"{prefix}/retry-{number}" if number else prefix
            text = unload_text(prepared.text, target, table.partitioned_by)
            return target, self._queries.run(Query(prepared.name, text, token_of(text, target)), stop)

        try:
            self._scratch.create(prepared.tables, stop)
            target, execution = persistently(attempt, self._config.patience, stop, place=prepared.name)
            files = self._written(execution, target, table, prepared, stop)
        finally:
            self._scratch.drop(prepared.tables)
        return UnloadResult(files, statistics_of(execution, time.perf_counter() - started))

    def _prepare(
        self, statement: Statement, used: Mapping[str, Relation], owner: str, stop: threading.Event
    ) -> _Prepared:
        # First with bare names, so that a text that is too long is refused before any call.
        check_length(statement.name, athena_text(statement, {name: table_item((name,)) for name in used}))
        mentioned = mentioned_columns(statement)
        placed = {
            name: self._relations.place(relation, mentioned, owner, stop) for name, relation in used.items()
        }
        text = athena_text(statement, {name: one.item for name, one in placed.items()})
        check_length(statement.name, text)
        tables = {one.table.name: one.table for one in placed.values() if one.table is not None}
        return _Prepared(statement.name, statement.tree, text, tuple(tables.values()))

    def _written(
        self,
        execution: AthenaQueryExecution,
        target: str,
        table: TableContract,
        prepared: _Prepared,
        stop: threading.Event,
    ) -> tuple[WrittenFile, ...]:
        """Return the written files with exact row counts after checking their columns."""
        listed = dict(self._files.list(target, stop))
        location = execution.data_manifest_location
        uris = sorted(self._files.lines(location, stop)) if location else sorted(listed)
        for uri in uris:
            if uri not in listed:
                raise gone(uri)
        if not uris:
            self._check_described(prepared, table, stop)
            return ()
        footers = self._footers.read({uri: listed[uri].etag for uri in uris}, stop)
        try:
            return written_files(prepared.name, table, {uri: footers[uri] for uri in uris})
        except EngineError:
            self._files.delete(uris, stop)
            raise

    def _check_described(self, prepared: _Prepared, table: TableContract, stop: threading.Event) -> None:
        """If no file was written, check the columns of the query.

        If it casts each of them, they are known. Else Athena reports them, without element types of arrays.
        """
        if (cast := cast_columns(prepared.tree)) is not None:
            if not same_columns(cast, table.columns):
                raise other_columns(prepared.name, table.name, cast, table.columns)
            return
        text = described_text(prepared.text)
        query = Query(prepared.name, text, token_of(text, uuid.uuid4().hex))
        execution = persistently(
            lambda number: self._queries.run(replace(query, token=f"{query.token[:60]}{number:04d}"), stop),
            self._config.patience,
            stop,
            place=prepared.name,
        )
        found = self._queries.columns(query, execution, stop)
        if [(one.name, one.type) for one in found] != [
            (one.name, one.type.partition("(")[0]) for one in table.columns
        ]:
            raise other_columns(prepared.name, table.name, found, table.columns)
