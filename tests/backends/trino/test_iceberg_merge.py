"""The MERGE of target `iceberg` on Trino's own Iceberg connector, which Athena's is built on."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlglot
import trino

sys.path.insert(0, str(Path(__file__).parents[2] / "publish"))  # the warehouse of the tests

from warehouse import Warehouse

from cluster_assets.backends.athena.sql import athena_text
from cluster_assets.backends.ports import Statement
from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.publish.iceberg import merge_source, merge_text
from cluster_assets.publish.target import TableDay
from cluster_assets.settings import load_settings
from cluster_assets.stages.snapshots import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

DAY, LATER = "2013-03-04", "2013-03-05"


class Lakehouse:
    """An Iceberg table on Trino, and the days that are merged into it."""

    def __init__(self, server: tuple[str, int], schema: str) -> None:
        self._server = server
        self._table = f'"{schema}"."demo_clusters"'
        self.warehouse = Warehouse(*open_storage(load_settings()))

    def run(self, text: str) -> list[Any]:
        host, port = self._server
        with trino.dbapi.connect(host=host, port=port, user="test", catalog="iceberg") as connection:
            return list(connection.cursor().execute(text).fetchall())

    def commit(self, day: str, rows: int, cluster: int) -> TableDay:
        self.warehouse.commit(day, rows, cluster)
        snapshot = read_snapshot(self.warehouse.ledger, "clusters", parse_day(day))
        return TableDay("demo", parse_day(day), snapshot, self.warehouse.store)

    def merge(self, table: TableDay, rows: int, cluster: int) -> None:
        columns = table.snapshot.data.columns
        data = (
            "SELECT 'e' || CAST(i AS VARCHAR) AS entity, i AS point_id, "
            f"CAST({cluster} AS BIGINT) AS cluster, 'core' AS role "
            f"FROM UNNEST(sequence(1, {max(rows, 1)})) AS t(i) WHERE {rows} > 0"
        )
        items = {
            "data": sqlglot.parse_one(f"({data})", read="athena"),
            "published": sqlglot.parse_one(f"SELECT * FROM {self._table}", read="athena").args["from_"].this,
        }
        source = athena_text(Statement("merge", merge_source(table, columns)), items)
        self.run(merge_text(self._table, source, table, columns))

    def shown(self) -> list[Any]:
        select = f"SELECT day, cluster, count(*) FROM {self._table} GROUP BY day, cluster ORDER BY day"
        return [tuple(row) for row in self.run(select)]


@pytest.fixture
def lakehouse(
    home: Path, tmp_path: Path, trino_server: tuple[str, int], trino_schema: str
) -> Iterator[Lakehouse]:
    made = Lakehouse(trino_server, trino_schema)
    made.run(f"CREATE SCHEMA \"{trino_schema}\" WITH (location = 'local://{tmp_path}/iceberg')")
    made.run(
        f'CREATE TABLE "{trino_schema}"."demo_clusters" (entity VARCHAR, point_id BIGINT, cluster BIGINT, '
        "role VARCHAR, day VARCHAR, publication VARCHAR) WITH (partitioning = ARRAY['day'])"
    )
    yield made
    made.run(f'DROP SCHEMA "{trino_schema}" CASCADE')


def test_a_merge_replaces_its_day_and_an_older_one_changes_nothing(lakehouse: Lakehouse) -> None:
    first = lakehouse.commit(DAY, 30, cluster=1)
    other = lakehouse.commit(LATER, 10, cluster=9)
    lakehouse.merge(first, 30, 1)
    lakehouse.merge(other, 10, 9)
    second = lakehouse.commit(DAY, 20, cluster=2)
    for late in (second, second, first):
        lakehouse.merge(late, late.rows, 2 if late is second else 1)
        assert lakehouse.shown() == [(DAY, 2, 20), (LATER, 9, 10)]
    lakehouse.merge(lakehouse.commit(DAY, 0, cluster=3), 0, 3)
    assert lakehouse.shown() == [(LATER, 9, 10)]


def test_of_merges_at_once_one_commits_and_the_others_are_refused(lakehouse: Lakehouse) -> None:
    lakehouse.merge(lakehouse.commit(DAY, 30, cluster=1), 30, 1)
    tables = {version: lakehouse.commit(DAY, version, cluster=version) for version in (2, 3, 4)}

    def merge(version: int) -> str:
        try:
            lakehouse.merge(tables[version], version, version)
        except trino.exceptions.TrinoExternalError as error:
            return str(error.error_name)
        return ""

    with ThreadPoolExecutor(3) as pool:
        refusals = set(pool.map(merge, tables))
    assert refusals <= {"", "ICEBERG_COMMIT_ERROR"}
    assert "" in refusals
    ((day, cluster, rows),) = lakehouse.shown()
    assert (day, cluster) == (DAY, rows)
    assert rows in tables
