"""Specific to Trino: dropped scratch tables, stopped queries, tables of the server, unusual files."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from waiting import wait_for

from cluster_assets.backends.ports import FileRelation, Statement, TableRelation
from cluster_assets.backends.trino.engine import TrinoConfig, TrinoEngine
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.domain.times.layouts import TableDay, day_column
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Relation

ONE = TableContract("one", (Column("n", "bigint"),), sort_by=("n",))
SPLIT = TableContract(
    "split", (Column("n", "bigint"), Column("block", "bigint")), ("n",), partitioned_by="block"
)


def statement(text: str) -> Statement:
    return Statement("test", sqlglot.parse_one(text, read="athena"))


def parquet(path: Path, query: str) -> FileRelation:
    path.parent.mkdir(parents=True, exist_ok=True)
    target = str(path).replace("'", "''")
    duckdb.sql(f"COPY ({query}) TO '{target}' (FORMAT parquet)")
    return FileRelation((str(path),))


def one(engine: TrinoEngine, text: str, **relations: Relation) -> Any:
    (row,) = engine.fetch(statement(text), relations).rows
    return next(iter(row.values()))


@pytest.fixture
def leftovers(trino_engine: TrinoEngine, trino_schema: str) -> Iterator[None]:
    """No scratch table may outlive its statement."""
    yield
    assert trino_engine._sessions.run(f"SHOW TABLES FROM hive.{trino_schema}").rows == ()


@pytest.fixture
def running(trino_engine: TrinoEngine) -> Any:
    """Texts of the queries at work, this one left out."""

    def ask() -> list[str]:
        rows = trino_engine._sessions.run(
            "SELECT query FROM system.runtime.queries "
            "WHERE state NOT IN ('FINISHED', 'FAILED') AND query NOT LIKE '%runtime.queries%'"
        ).rows
        return [str(row[0]) for row in rows]

    return ask


@pytest.mark.usefixtures("leftovers")
def test_only_the_named_files_of_a_folder_are_read(trino_engine: TrinoEngine, tmp_path: Path) -> None:
    odd = tmp_path / "odd %20 #é" / "day=2026-01-01"
    first = parquet(odd / "a b'[1].parquet", "SELECT 1::BIGINT AS n")
    parquet(odd / "other.parquet", "SELECT 100::BIGINT AS n")
    second = parquet(tmp_path / "day=2026-01-02" / "c.parquet", "SELECT 2::INTEGER AS n, 'x' AS s")
    files = FileRelation((*first.uris, *second.uris), partition_column="day")
    rows = trino_engine.fetch(
        statement('SELECT "$path" AS uri, t.n AS n, t.s AS s, t.day AS day FROM t ORDER BY n'), {"t": files}
    ).rows
    assert [tuple(row.values()) for row in rows] == [
        (first.uris[0], 1, None, "2026-01-01"),
        (second.uris[0], 2, "x", "2026-01-02"),
    ]


@pytest.mark.usefixtures("leftovers")
def test_files_it_would_pass_over_are_refused(trino_engine: TrinoEngine, tmp_path: Path) -> None:
    hidden = parquet(tmp_path / "_hidden.parquet", "SELECT 1 AS n")
    empty = tmp_path / "empty.parquet"
    empty.touch()
    csv = FileRelation((str(tmp_path / "a.csv"),), "csv")
    for relation, told in ((hidden, "begin with"), (FileRelation((str(empty),)), "empty"), (csv, "csv")):
        with pytest.raises(SourceUnreadableError, match=told) as caught:
            one(trino_engine, "SELECT sum(t.n) AS n FROM t", t=relation)
        assert caught.value.remedy


@pytest.mark.usefixtures("leftovers")
def test_damaged_pages_name_the_file(trino_engine: TrinoEngine, tmp_path: Path) -> None:
    good = parquet(tmp_path / "good.parquet", "SELECT i AS n, 'text ' || i AS s FROM range(50000) AS t(i)")
    bad = parquet(tmp_path / "bad.parquet", "SELECT i AS n, 'text ' || i AS s FROM range(50000) AS t(i)")
    data = bytearray((tmp_path / "bad.parquet").read_bytes())
    middle = slice(len(data) // 4, len(data) // 2)
    data[middle] = bytes(len(data[middle]))
    (tmp_path / "bad.parquet").write_bytes(data)
    with pytest.raises(SourceUnreadableError) as caught:
        one(
            trino_engine,
            "SELECT count(DISTINCT t.s) + max(t.n) AS n FROM t",
            t=FileRelation((*bad.uris, *good.uris)),
        )
    assert caught.value.where == bad.uris[0]


@pytest.mark.usefixtures("leftovers")
def test_partitions_are_files_without_the_column(trino_engine: TrinoEngine, tmp_path: Path) -> None:
    rows = parquet(tmp_path / "in.parquet", "SELECT i AS n, i % 3 AS block FROM range(9) AS t(i)")
    written = trino_engine.unload(
        statement("SELECT CAST(t.n AS BIGINT) AS n, CAST(t.block AS BIGINT) AS block FROM t"),
        {"t": rows}, SPLIT, str(tmp_path / "out"),
    )  # fmt: skip
    assert [(file.partition, file.rows) for file in written.files] == [("0", 3), ("1", 3), ("2", 3)]
    for file in written.files:
        found = duckdb.sql(f"SELECT * FROM read_parquet('{file.uri}', hive_partitioning = false)").fetchall()
        assert found == [(int(file.partition or 0) + 3 * k,) for k in range(3)]


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
def test_an_interrupt_of_the_wait_stops_the_query(
    trino_engine: TrinoEngine, running: Any, tmp_path: Path, raised: type[BaseException]
) -> None:
    rows = parquet(tmp_path / "in.parquet", "SELECT i AS n FROM range(3000) AS t(i)")
    joined = "t AS a CROSS JOIN t AS b CROSS JOIN t AS c"
    mark = "71309"  # by which it is found among the queries of all tests
    endless = f"SELECT CAST(count(*) AS BIGINT) AS n FROM {joined} WHERE a.n + b.n * c.n < {mark}"

    def interrupt(signum: int, frame: object) -> None:
        raise raised("stop")

    def send() -> None:
        wait_for(
            "the query runs",
            lambda: any(mark in text and "INSERT" in text for text in running()),
            0.1,
        )
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        sender = threading.Thread(target=send)
        sender.start()
        with pytest.raises(raised, match="stop"):
            trino_engine.unload(statement(endless), {"t": rows}, ONE, str(tmp_path / "out"))
        sender.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    wait_for("the query ends", lambda: not any(mark in text for text in running()), 0.1)


def test_tables_of_the_server(trino_engine: TrinoEngine, tmp_path: Path) -> None:
    run = trino_engine._sessions.run
    run("CREATE SCHEMA IF NOT EXISTS hive.lake")
    run("DROP TABLE IF EXISTS hive.lake.events")
    run("DROP VIEW IF EXISTS hive.lake.seen")
    run("DROP TABLE IF EXISTS memory.default.events")
    run(
        "CREATE TABLE hive.lake.events AS "
        "SELECT BIGINT '1' AS n, 'a' AS s, TIMESTAMP '2026-01-01 00:00:00.000' AS at"
    )
    run("CREATE TABLE memory.default.events AS SELECT BIGINT '1' AS n")
    run("CREATE VIEW hive.lake.seen AS SELECT n FROM hive.lake.events")
    assert trino_engine.describe(TableRelation("lake.events")) == (
        Column("n", "bigint"), Column("s", "varchar"), Column("at", "timestamp"),
    )  # fmt: skip
    names = ("lake.events", "lake.seen", "memory.default.events")
    assert [one(trino_engine, "SELECT sum(t.n) AS n FROM t", t=TableRelation(name)) for name in names] == [
        1,
        1,
        1,
    ]
    states = [trino_engine.table_state(name) for name in names]
    assert states == [trino_engine.table_state(name) for name in names]
    assert trino_engine.scan_bytes(TableRelation("lake.events"), ("n",)) > 0
    run("INSERT INTO hive.lake.events SELECT 2, 'b', TIMESTAMP '2026-01-02 00:00:00.000'")
    run("INSERT INTO memory.default.events VALUES 2")
    changed = [trino_engine.table_state(name) for name in names]
    assert all(before != after for before, after in zip(states, changed, strict=True))
    for name in ("hive.lake.parts", "memory.default.parts"):
        run(f"DROP TABLE IF EXISTS {name}")
        keys = "WITH (partitioned_by = ARRAY['day'])" if name.startswith("hive") else ""
        run(f"CREATE TABLE {name} {keys} AS SELECT 1 AS n, '2026-03-01' AS day")
        parts = [TableDay(day_column("Day"), parse_day(key)) for key in ("2026-03-01", "2026-03-02")]
        before = [trino_engine.table_state(name, part) for part in parts]
        run(f"INSERT INTO {name} SELECT 2, '2026-03-02'")
        after = [trino_engine.table_state(name, part) for part in parts]
        assert after[0] == before[0], name
        assert after[1] != before[1], name
    for name in ("lake.nothing", "nowhere.events", "nocatalog.lake.events"):
        with pytest.raises(SourceMissingError, match="no such table"):
            trino_engine.table_state(name)


def test_a_server_that_is_not_there_says_so(home: Path) -> None:
    with open_backend(load_settings()) as backend:
        engine = TrinoEngine(TrinoConfig("127.0.0.1", 1), backend.engine)  # type: ignore[arg-type]
        with pytest.raises(EngineError, match="does not respond") as caught:
            one(engine, "SELECT 1 AS n")
    assert "CLUSTER_TRINO_HOST" in str(caught.value)


def test_a_password_needs_https(home: Path) -> None:
    with open_backend(load_settings()) as backend:
        config = TrinoConfig("127.0.0.1", 1, password="secret")  # noqa: S106
        assert "secret" not in repr(config)
        with pytest.raises(EngineError, match="https"):
            one(TrinoEngine(config, backend.engine), "SELECT 1 AS n")  # type: ignore[arg-type]
