"""Queries by DuckDB on views over the published files, confined to these files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

import duckdb

from cluster_assets.backends.duckdb.files import quoted_name
from cluster_assets.backends.duckdb.sessions import Confinement, DuckDbConfig, DuckDbSessions, interruptibly
from cluster_assets.domain.errors import EngineError, SpecError
from cluster_assets.lake.answers import Answer, names_of_tables, not_one_query
from cluster_assets.lake.queries import rows_of_days

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.lake.lake import Lake
    from cluster_assets.settings import Settings
    from cluster_assets.stages.snapshots import TableSnapshot

_PIVOT = re.compile(r"^((from|select|with)\b.*\b)?pivot\b", re.IGNORECASE)
_NO_TABLE = re.compile(r'Table with name "?(.+?)"? does not exist')


class DuckDbSql:
    """Implements `SqlSession`; a context manager.

    Each query runs on views over the days that are published when it starts. DuckDB reads the files of the
    days that the query's conditions on `day` allow, and can open only files of tables that the query names.

    Args:
        open_lake: Opens the lake as it is now.
        settings: Threads, memory and the folder for temporary files.
    """

    def __init__(self, open_lake: Callable[[], Lake], settings: Settings) -> None:
        self._open_lake = open_lake
        self._sessions = DuckDbSessions(
            DuckDbConfig(settings.sql_threads, settings.sql_memory_mb, settings.scratch_dir)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sessions.close()

    def run(self, query: str) -> Answer:
        """Run one query in DuckDB's dialect; see `SqlSession`."""
        _check_query(query)
        lake = self._open_lake()
        tables = _mentioned_tables(lake, query)
        uris = (uri for days in tables.values() for one in days.values() for uri in one.uris)
        confinement = Confinement(frozenset(uris), folder=None, threads=None, tables=False)
        with self._sessions.confined_cursor(confinement) as cursor:
            try:
                return interruptibly(cursor, lambda: _answer(cursor, lake.pipelines(), tables, query))
            except duckdb.Error as error:
                raise _failure(error, lake) from error


def _check_query(query: str) -> None:
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise _failure(error) from error
    # EXPLAIN is refused too: EXPLAIN ANALYZE COPY … writes, and the files of the tables are in reach.
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        refused = not_one_query(query)
        if _PIVOT.search(" ".join(query.split())):  # to find the values, DuckDB would create a type first
            refused = SpecError(
                "PIVOT without its values",
                remedy="list them: PIVOT attackers.clusters ON role IN ('core', 'noise') USING count(*)",
            )
        raise refused


def _mentioned_tables(lake: Lake, query: str) -> Mapping[tuple[str, str], Mapping[Day, TableSnapshot]]:
    """Return the days of each published table whose pipeline and name are both words of the query.

    It may find more tables than the query reads, never fewer.
    """
    words = set(re.findall(r"\w+", query.lower()))
    found = {
        (pipeline, table): lake.find(pipeline, table).snapshots
        for pipeline in lake.pipelines()
        for table in lake.tables()
        if {pipeline, table} <= words
    }
    return {name: snapshots for name, snapshots in found.items() if snapshots}


def _answer(
    cursor: duckdb.DuckDBPyConnection,
    pipelines: Iterable[str],
    tables: Mapping[tuple[str, str], Mapping[Day, TableSnapshot]],
    query: str,
) -> Answer:
    for pipeline in pipelines:
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted_name(pipeline)}")
    for (pipeline, table), snapshots in tables.items():
        rows = rows_of_days(snapshots, {uri: uri for one in snapshots.values() for uri in one.uris})
        cursor.execute(f"CREATE OR REPLACE VIEW {quoted_name(pipeline)}.{quoted_name(table)} AS {rows}")
    found = cursor.execute(query).fetchall()
    return Answer(tuple(column[0] for column in cursor.description or ()), found)


def _failure(error: duckdb.Error, lake: Lake | None = None) -> EngineError:
    what, _, hints = str(error).partition("\n\nLINE ")[0].partition("\n")
    if lake is not None and (missing := _NO_TABLE.search(what)):
        return EngineError(f"there is no published table {missing[1]}", remedy=names_of_tables(lake))
    return EngineError(" ".join([what, *hints.split()]))
