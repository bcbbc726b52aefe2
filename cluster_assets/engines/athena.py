"""Amazon Athena as the SQL engine: the statements as they are, on files and tables of the lake."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.athena_catalog import GlueCatalog
from cluster_assets.engines.athena_clients import open_clients
from cluster_assets.engines.athena_config import AthenaConfig
from cluster_assets.engines.athena_errors import persistently
from cluster_assets.engines.athena_files import S3Files
from cluster_assets.engines.athena_footers import ParquetFooters, gone, split_uri
from cluster_assets.engines.athena_queries import (
    AthenaQueries,
    Query,
    check_length,
    interruptibly,
    statistics_of,
    token_of,
)
from cluster_assets.engines.athena_relations import AthenaRelations, merged_columns
from cluster_assets.engines.athena_scratch import AthenaScratch
from cluster_assets.engines.athena_sql import (
    athena_text,
    described_text,
    mentioned_columns,
    table_item,
    unload_text,
)
from cluster_assets.engines.athena_written import not_the_contract, written_files
from cluster_assets.engines.file_scratch import file_scratch
from cluster_assets.ports import FileRelation, QueryResult, UnloadResult
from cluster_assets.sql_files import sources_of

if TYPE_CHECKING:
    import datetime as dt
    import threading
    from collections.abc import Collection, Mapping
    from contextlib import AbstractContextManager

    from pyathena.model import AthenaQueryExecution

    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.engines.athena_clients import AthenaClients
    from cluster_assets.engines.athena_scratch import ScratchTable
    from cluster_assets.ports import Relation, Scratch, Statement, WrittenFile

__all__ = ["AthenaConfig", "AthenaEngine"]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A statement as text, with the tables it needs."""

    name: str
    text: str
    tables: tuple[ScratchTable, ...]


class AthenaEngine:
    """Implements `ports.SqlEngine`; safe to call from several threads.

    Athena adds doubles up in no fixed order, so a statement that is `order_sensitive` may differ in the last
    bit from run to run.

    Every public method may be interrupted: a running query is then stopped, its scratch tables are
    dropped, and the interrupt is raised as it came, whatever its class.

    Args:
        config: Where queries run.
        clients: Clients of AWS; by default those of the standard AWS environment.
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._clients.close()

    def describe(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation, of several files their union; see `ports.SqlEngine`."""
        if isinstance(relation, FileRelation):
            return merged_columns(self.describe_files(relation)) if relation.uris else relation.columns
        return interruptibly(lambda stop: self._catalog.describe(relation.name, stop))

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each file by its address, from its footer.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet.
        """
        return interruptibly(lambda stop: self._relations.describe_files(relation, stop))

    def table_state(self, name: str) -> str:
        """A text that changes when a table may have changed.

        It holds Glue's version and update time of the table; of an Iceberg table its metadata file, which
        every commit replaces; of a Hive table a digest of the listing (address, size and ETag) of all its
        objects, since writers put files there without telling Glue. One request for each thousand objects.
        Of a view, the states of the tables it reads.

        Raises:
            SourceMissingError: There is no such table.
            EngineError: It is in another catalog, or a view whose text cannot be read.
        """
        return interruptibly(lambda stop: self._catalog.state(name, stop))

    def scan_bytes(self, relation: Relation, columns: Collection[str]) -> int:
        """Bytes that reading some columns takes; of a table all its objects. See `ports.SqlEngine`."""
        if isinstance(relation, FileRelation):
            return interruptibly(lambda stop: self._relations.scan_bytes(relation, columns, stop))
        return interruptibly(lambda stop: self._catalog.bytes_of(relation.name, stop))

    def fetch(self, statement: Statement, relations: Mapping[str, Relation]) -> QueryResult:
        """Run a query with a small answer, read page by page through the API; see `ports.SqlEngine`."""
        used = _used(statement, relations)
        return interruptibly(lambda stop: self._fetch(statement, used, stop))

    def unload(
        self,
        statement: Statement,
        relations: Mapping[str, Relation],
        table: TableContract,
        prefix_uri: str,
    ) -> UnloadResult:
        """Write the rows of a query as zstd Parquet files, in no order; see `ports.SqlEngine`.

        A write that failed halfway may have left files, so each new attempt goes below a folder of its
        own, `prefix/retry-1/`; only the files that Athena's manifest of the succeeded attempt names count.
        """
        split_uri(prefix_uri)
        used = _used(statement, relations)
        return interruptibly(lambda stop: self._unload((statement, used), table, prefix_uri, stop))

    def scratch(self, prefix_uri: str) -> AbstractContextManager[Scratch]:
        """Scratch tables, as files; see `ports.SqlEngine`."""
        return file_scratch(self, prefix_uri)

    def sweep(self, before: dt.datetime) -> int:
        """Drop scratch tables that killed processes left before a time; how many there were."""
        return self._scratch.sweep(before)

    def _fetch(
        self, statement: Statement, used: Mapping[str, Relation], stop: threading.Event
    ) -> QueryResult:
        started = time.perf_counter()
        owner = uuid.uuid4().hex  # an old answer of the same text may be stale, so the token is never reused
        prepared = self._prepare(statement, used, owner, stop)

        def attempt(number: int) -> tuple[Query, AthenaQueryExecution]:
            query = Query(prepared.name, prepared.text, token_of(prepared.text, f"{owner}/{number}"))
            return query, self._queries.run(query, stop)

        try:
            self._scratch.create(prepared.tables, stop)
            query, execution = persistently(attempt, self._config.patience, stop, place=statement.name)
            rows = tuple(self._queries.rows(query, execution, stop))
        finally:
            self._scratch.drop(prepared.tables)
        return QueryResult(rows, statistics_of(execution, time.perf_counter() - started))

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
            text = unload_text(prepared.name, prepared.text, target, table.partitioned_by)
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
        # Once with bare names, so that a text that is too long by itself costs no call.
        check_length(statement.name, athena_text(statement, {name: table_item((name,)) for name in used}))
        mentioned = mentioned_columns(statement)
        placed = {
            name: self._relations.place(relation, mentioned, owner, stop) for name, relation in used.items()
        }
        text = athena_text(statement, {name: one.item for name, one in placed.items()})
        check_length(statement.name, text)
        tables = {one.table.name: one.table for one in placed.values() if one.table is not None}
        return _Prepared(statement.name, text, tuple(tables.values()))

    def _written(
        self,
        execution: AthenaQueryExecution,
        target: str,
        table: TableContract,
        prepared: _Prepared,
        stop: threading.Event,
    ) -> tuple[WrittenFile, ...]:
        """The files of a write with exact rows, once their columns are known to be the contract's."""
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
        """Without a file, ask Athena for the columns; it tells of an array only that it is one."""
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
            raise not_the_contract(prepared.name, table.name, table.columns, found)


def _used(statement: Statement, relations: Mapping[str, Relation]) -> dict[str, Relation]:
    """The relations the statement reads."""
    names = sources_of(statement)
    if missing := [name for name in names if name not in relations]:
        raise EngineError(f"{statement.name} reads {', '.join(missing)}, which it was not given")
    return {name: relations[name] for name in names}
