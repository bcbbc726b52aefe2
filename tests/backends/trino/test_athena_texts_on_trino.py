"""The texts that the Athena engine sends give DuckDB's rows on a real Trino server.

The server reads Glue's tables and S3's files, and timestamps in milliseconds, as Athena does.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from athena_lake import BUCKET, PAIR, SCRATCH, open_lake
from athena_paths import AthenaOnPaths
from athena_wire.on_trino import TrinoStatements
from trino_sources import EMBEDDING, MANY, MIXED, SETS, VECTOR, write_source

from cluster_assets.backends.athena.scratch import FileTable, plan_table
from cluster_assets.backends.athena.sql import athena_text
from cluster_assets.backends.ports import Statement
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.stages.day.stage import Stage

DAY = "2026-01-01"
TO_CLUSTERS = STAGES[:4]
SCALED = VECTOR | {"scale": "robust"}


@pytest.fixture(scope="session")
def trino_lake(
    aws_models: None, trino_server: tuple[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lake]:
    """S3 and Glue by moto, Athena by the wire server, whose statements Trino runs."""
    folder = tmp_path_factory.mktemp("athena-on-trino")
    with open_lake(folder, partial(TrinoStatements, trino_server)) as lake:
        statements = lake.wire.statements
        assert isinstance(statements, TrinoStatements)
        with statements.catalogs(lake.environment, BUCKET):
            yield lake


@pytest.fixture
def athena(trino_lake: Lake) -> AthenaOnPaths:
    return AthenaOnPaths(trino_lake.shared_engine, trino_lake)


@pytest.fixture
def duckdb_and_athena(
    athena: AthenaOnPaths, home: Path, tmp_path: Path, unordered_engines: Callable[..., Any]
) -> Iterator[Any]:
    """A backend over both."""
    with open_backend(load_settings()) as backend:
        engines = unordered_engines((backend.engine, athena), tmp_path / "again", set())
        yield dataclasses.replace(backend, engine=engines)


# (features, distance, blocking, stages). Mixed features have sets, texts, places and categories, so a day of
# them goes through all stages. The others differ in how near pairs are found. test_statements_on_trino.py has
# all kinds and algorithms.
PIPELINES: dict[str, tuple[dict[str, Any], dict[str, Any], str, Sequence[Stage]]] = {
    "mixed": (MIXED, {"metric": "gower", "threshold": 0.25}, "join", STAGES),
    "sets": (SETS, {"metric": "jaccard", "threshold": 0.4}, "join", TO_CLUSTERS),
    "cells": (SCALED, {"metric": "euclidean", "threshold": 0.1}, "cells", TO_CLUSTERS),
    "blocks": (MANY, {"metric": "euclidean", "threshold": 1.0}, "blocks", TO_CLUSTERS),
    "embedding": (EMBEDDING, {"metric": "cosine", "threshold": 0.1}, "lsh", TO_CLUSTERS),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_day_in_the_texts_of_athena(
    duckdb_and_athena: Any,
    trino_lake: Lake,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    name: str,
) -> None:
    features, distance, blocking, stages = PIPELINES[name]
    write_source(tmp_path / "source.parquet", 300, "00:59:59.999")
    runner = make_runner(
        duckdb_and_athena,
        raw={"files": str(tmp_path / "source.parquet"), "time_column": "at"},
        features=features,
        distance=distance,
        blocking={"type": blocking},
        algorithm={"type": "dbscan", "min_samples": 3},
    )
    before = len(ran(trino_lake))
    assert runner.run(DAY, stages)["clusters"].manifest.tables["clusters"].rows > 100
    assert len(ran(trino_lake)) - before > len(stages)
    assert trino_lake.scratch_tables() == []
    # A location below a folder with a leading underscore is read; only names inside a location are hidden.
    assert any("/_scratch/" in text for text in ran(trino_lake)[before:])


@pytest.mark.parametrize(
    ("time", "days"),
    [
        # Athena reads these as milliseconds, rounded: docs/engines.md.
        ("m", [["a", "b"], ["c", "d"]]),
        ("m::TIMESTAMPTZ", [["a", "b"], ["c", "d"]]),
        ("m::VARCHAR", [["a", "b", "c"], ["d"]]),
        ("replace(m::VARCHAR, ' ', 'T') || 'Z'", [["a", "b", "c"], ["d"]]),
    ],
)
def test_the_last_half_millisecond_of_a_day(
    athena: AthenaOnPaths,
    home: Path,
    make_runner: Callable[..., Any],
    tmp_path: Path,
    time: str,
    days: list[list[str]],
) -> None:
    """Each row belongs to exactly one day, and a text keeps its day."""
    source = str(tmp_path / "source.parquet")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"""COPY (
                SELECT id, {time} AS "at", 1.0::DOUBLE AS x FROM (VALUES
                    ('a', TIMESTAMP '2026-01-01 00:00:00'), ('b', TIMESTAMP '2026-01-01 23:59:59.9994'),
                    ('c', TIMESTAMP '2026-01-01 23:59:59.9996'), ('d', TIMESTAMP '2026-01-02 00:00:00')
                ) AS t(id, m)
            ) TO '{source}' (FORMAT parquet)"""
        )
    with open_backend(load_settings()) as backend:
        runner = make_runner(
            dataclasses.replace(backend, engine=athena),
            raw={"files": source, "time_column": "at"},
            features={"vector": ["avg(x)"]},
            distance={"metric": "euclidean", "threshold": 1.0},
        )
        found = []
        for day in (DAY, "2026-01-02"):
            runner.run(day, STAGES[:2])
            found.append(sorted(row[0] for row in runner.table("members", day)[1]))
    assert found == days


def test_more_than_a_thousand_paths(trino_lake: Lake, tmp_path: Path) -> None:
    """A folder with other files is read by naming the files, as many as a text of Athena can hold."""
    folder = trino_lake.fresh()
    for number in (0, 1, 2000):  # the last one is not named
        trino_lake.parquet(f"SELECT {number}::BIGINT AS k, 1e0 AS v", tmp_path, f"{folder}/{number:04d}")
    uris = tuple(f"{folder}/{number:04d}" for number in range(2000))
    table = plan_table(FileTable(uris, True, PAIR.columns, None, ("k",)), SCRATCH, "test")
    trino_lake.glue.create_table(DatabaseName=SCRATCH, TableInput=table.definition)
    try:
        tree = sqlglot.parse_one("SELECT k FROM t ORDER BY k", read="athena")
        text = athena_text(Statement("test", tree), {"t": table.item})
        assert text.count(folder) == len(uris)
        assert trino_lake.run(text) == [("0",), ("1",)]
    finally:
        trino_lake.glue.delete_table(DatabaseName=SCRATCH, Name=table.name)


def ran(lake: Lake) -> list[str]:
    """The texts that Trino ran, as they came over the wire."""
    statements = lake.wire.statements
    assert isinstance(statements, TrinoStatements)
    return statements.ran
