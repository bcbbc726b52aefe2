"""Scratch tables that DuckDB keeps: gone with their scratch, bounded by the memory limit, sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlglot

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation, Statement, TableRelation
from cluster_assets.domain.errors import EngineError
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Relation

NUMBERS = TableContract("numbers", (Column("k", "bigint"), Column("v", "double")), sort_by=("k",))
TOTAL = TableContract("total", (Column("n", "bigint"), Column("v", "double")), sort_by=())


def statement(text: str, *, order_sensitive: bool = False) -> Statement:
    return Statement("test", sqlglot.parse_one(text, read="athena"), order_sensitive)


def numbers(count: int) -> Statement:
    """Numbers from 0, in a mixed order, of the thousands in the relation `thousands`."""
    return statement(
        "SELECT CAST((s.i * 1000 + t.i) * 7919 % "
        + str(count)
        + " AS BIGINT) AS k, CAST(s.i AS DOUBLE) AS v "
        "FROM thousands AS s CROSS JOIN UNNEST(sequence(0, 999)) AS t (i)"
    )


COUNT = statement("SELECT CAST(count(*) AS BIGINT) AS n, CAST(max(v) AS DOUBLE) AS v FROM numbers")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDbEngine]:
    with DuckDbEngine(DuckDbConfig(2, 128, tmp_path / "tmp", allowed_dirs=(tmp_path,))) as opened:
        yield opened


def thousands(engine: DuckDbEngine, tmp_path: Path, count: int) -> FileRelation:
    made = engine.unload(
        statement(
            f"SELECT CAST(t.i AS BIGINT) AS i FROM (VALUES 1) AS v (x) "
            f"CROSS JOIN UNNEST(sequence(0, {count - 1})) AS t (i)"
        ),
        {},
        TableContract("thousands", (Column("i", "bigint"),), sort_by=("i",)),
        str(tmp_path / "in"),
    )
    return FileRelation(tuple(file.uri for file in made.files))


def tables_left(engine: DuckDbEngine) -> int:
    cursor = engine._sessions.cursor(frozenset())
    try:
        row = cursor.execute(
            "SELECT (SELECT count(*) FROM duckdb_tables()) + "
            "(SELECT count(*) FROM duckdb_schemas() WHERE schema_name LIKE 'scratch%')"
        ).fetchall()[0]
    finally:
        cursor.close()
    return int(row[0])


def test_kept_tables_are_sorted_and_no_file_is_written(engine: DuckDbEngine, tmp_path: Path) -> None:
    given = {"thousands": thousands(engine, tmp_path, 300)}
    with engine.scratch(str(tmp_path / "scratch")) as scratch:
        filled = scratch(numbers(300_000), given, NUMBERS)
        assert isinstance(filled.relation, TableRelation)
        assert filled.statistics.bytes_scanned > 0
        found = engine.fetch(statement("SELECT k FROM numbers"), {"numbers": filled.relation}).rows
        assert [row["k"] for row in found] == list(range(300_000))
        written = engine.unload(COUNT, {"numbers": filled.relation}, TOTAL, str(tmp_path / "out"))
        assert written.statistics.bytes_scanned == 0
        assert written.files[0].rows == 1
    assert not (tmp_path / "scratch").exists()
    assert tables_left(engine) == 0


class Stopped(BaseException):
    """As an interrupt is."""


def fill_and_stop(engine: DuckDbEngine, tmp_path: Path, filled: list[Relation]) -> None:
    given = {"thousands": thousands(engine, tmp_path, 1)}
    with engine.scratch(str(tmp_path / "scratch")) as scratch:
        filled.append(scratch(numbers(1000), given, NUMBERS).relation)
        with pytest.raises(EngineError, match="expected n bigint"):
            scratch(numbers(1000), given, TOTAL)
        assert tables_left(engine) == 2  # the schema and one table
        raise Stopped


def test_tables_are_gone_whatever_ends_the_scratch(engine: DuckDbEngine, tmp_path: Path) -> None:
    filled: list[Relation] = []
    with pytest.raises(Stopped):
        fill_and_stop(engine, tmp_path, filled)
    assert tables_left(engine) == 0
    with pytest.raises(EngineError, match="has ended"):
        engine.fetch(COUNT, {"numbers": filled[0]})


def test_scratches_side_by_side_hold_tables_of_one_name(engine: DuckDbEngine, tmp_path: Path) -> None:
    few, many = (thousands(engine, tmp_path / str(count), count) for count in (1, 3))
    with engine.scratch(str(tmp_path / "a")) as one, engine.scratch(str(tmp_path / "b")) as other:
        first = one(numbers(1000), {"thousands": few}, NUMBERS).relation
        second = other(numbers(3000), {"thousands": many}, NUMBERS).relation
        counts = [engine.fetch(COUNT, {"numbers": kept}).rows[0]["n"] for kept in (first, second)]
    assert counts == [1000, 3000]


def test_more_than_the_memory_limit_goes_to_disk(engine: DuckDbEngine, tmp_path: Path) -> None:
    given = {"thousands": thousands(engine, tmp_path, 12_000)}
    with engine.scratch(str(tmp_path / "scratch")) as scratch:
        table = TableContract("numbers", NUMBERS.columns, sort_by=())
        kept = scratch(numbers(12_000_000), given, table).relation  # 192 MB of 128 MiB
        spilled = sum(file.stat().st_size for file in (tmp_path / "tmp").iterdir())
        assert engine.fetch(COUNT, {"numbers": kept}).rows == ({"n": 12_000_000, "v": 11_999.0},)
    assert spilled > 10_000_000


def test_a_statement_on_kept_tables_stays_in_the_known_folders(
    engine: DuckDbEngine, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    given = {"thousands": thousands(engine, tmp_path, 1)}
    with engine.scratch(str(tmp_path / "scratch")) as scratch:
        kept = scratch(numbers(1000), given, NUMBERS).relation
        with pytest.raises(EngineError, match="folders of the configuration"):
            engine.unload(COUNT, {"numbers": kept}, TOTAL, str(elsewhere))
        with pytest.raises(EngineError, match="the row order"):
            engine.fetch(
                statement("SELECT sum(v) AS v FROM numbers", order_sensitive=True), {"numbers": kept}
            )


def test_outside_the_known_folders_tables_are_files(
    engine: DuckDbEngine, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    given: dict[str, Any] = {"thousands": thousands(engine, tmp_path, 1)}
    with engine.scratch(str(elsewhere)) as scratch:
        kept = scratch(numbers(1000), given, NUMBERS).relation
    assert isinstance(kept, FileRelation)
    assert engine.fetch(COUNT, {"numbers": kept}).rows[0]["n"] == 1000
