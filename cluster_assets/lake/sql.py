"""Queries over all published days: each pipeline is a schema, and each table has the column `day`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from cluster_assets.domain.days import parse_day
from cluster_assets.lake.athena_sql import AthenaSql
from cluster_assets.lake.duckdb_sql import DuckDbSql
from cluster_assets.lake.lake import open_lake
from cluster_assets.lake.queries import columns_of
from cluster_assets.opening import open_athena
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.lake.answers import Answer
    from cluster_assets.lake.lake import Lake


class SqlSession(Protocol):
    """Runs the queries of a user; each sees the days that are published when it starts."""

    def run(self, query: str) -> Answer:
        """Run one query.

        Raises:
            SpecError: The text is not exactly one query, or it reads something other than published tables.
            EngineError: The engine refused or failed the query.
        """
        ...


@contextmanager
def open_sql() -> Iterator[SqlSession]:
    """Open the engine of the settings: Athena on target aws, DuckDB in this process on the others.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    settings = load_settings()
    if settings.target == "aws":
        with open_athena(settings) as engine:
            yield AthenaSql(engine, open_lake, settings.aws_database)
    else:
        with DuckDbSql(open_lake, settings) as session:
            yield session


def describe_tables(lake: Lake) -> list[str]:
    """Return the tables that the newest day of each pipeline has, as `pipeline.table(column, …, day)`."""
    found = []
    for pipeline in lake.pipelines():
        newest = (parse_day(lake.days(pipeline)[-1]),)
        for table in lake.tables():
            if snapshots := lake.find(pipeline, table, newest).snapshots:
                names = ", ".join(column.name for column in columns_of(snapshots))
                found.append(f"{pipeline}.{table}({names})")
    return found
