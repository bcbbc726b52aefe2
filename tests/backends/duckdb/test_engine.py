"""What is DuckDB's own: the sandbox, broken files, text formats, interruption, the database file."""

from __future__ import annotations

import gzip
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.duckdb.types import athena_type, duckdb_type
from cluster_assets.backends.ports import FileRelation, Statement, TableRelation
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.domain.times.layouts import TableDay, day_column

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = TableContract("one", (Column("n", "bigint"),), sort_by=("n",))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('{folder}/../../../../../../etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/escaped.parquet'",
        "ATTACH '/tmp/escaped.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 64",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "EXPORT DATABASE '/tmp/escaped'",
        "CREATE PERSISTENT SECRET s (TYPE s3)",
    ],
)
def test_the_sandbox_holds_whatever_reaches_it(bench: Any, query: str) -> None:
    rows = bench.parquet("SELECT 1 AS x")
    assert bench.one("SELECT count(*) AS n FROM t", t=rows) == 1
    cursor = bench.engine._sessions.cursor(frozenset({str(bench.folder)}))
    with pytest.raises(duckdb.Error):
        cursor.execute(query.format(folder=bench.folder)).fetchall()
    cursor.close()
    assert not Path("/tmp/escaped.parquet").exists()  # noqa: S108  # the place a break-out would write to


def test_settings_reach_every_cursor(bench: Any) -> None:
    for _ in range(2):
        cursor = bench.engine._sessions.cursor(frozenset())
        assert cursor.execute("SELECT 7 / 2, current_setting('TimeZone')").fetchall() == [(3, "UTC")]
        cursor.close()


def broken(folder: Path, how: str) -> Path:
    whole = folder / "whole.parquet"
    duckdb.sql(
        f"COPY (SELECT i AS x, 'text ' || i AS s FROM range(50000) AS t(i)) TO '{whole}' (FORMAT parquet)"
    )
    data = bytearray(whole.read_bytes())
    whole.unlink()
    path = folder / "broken.parquet"
    if how.startswith("cut"):
        data = data[: len(data) * int(how[3:]) // 16]
    elif how == "html":
        data = bytearray(b"<!DOCTYPE html><html><body>404</body></html>")
    elif how == "pages":
        middle = slice(len(data) // 4, len(data) // 2)
        data[middle] = bytes(len(data[middle]))
    elif how == "csv":
        data = bytearray(b"x,s\n1,a\n")
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("how", [*(f"cut{part}" for part in range(16)), "html", "pages", "csv"])
def test_a_broken_file_is_named(bench: Any, how: str) -> None:
    good = bench.parquet("SELECT 1::BIGINT AS x, 'a' AS s", "good.parquet")
    path = broken(bench.folder, how)
    files = FileRelation((str(path), *good.uris))
    with pytest.raises(SourceUnreadableError) as caught:
        bench.one("SELECT count(DISTINCT s) + max(x) AS n FROM t", t=files)
    assert caught.value.where == str(path)
    if how != "pages":
        with pytest.raises(SourceUnreadableError, match=r"broken\.parquet"):
            bench.engine.describe(files)


def text_file(bench: Any, name: str, text: str) -> str:
    bench.folder.mkdir(exist_ok=True)
    path = bench.folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_text_files_plain_and_gzipped(bench: Any, ending: str) -> None:
    csv = text_file(bench, f"a.csv{ending}", "id,v,at\n007,1.5,2026-03-01 10:00:00\n7,,2026-03-01 11:00:00\n")
    json = text_file(
        bench, f"a.jsonl{ending}", '{"id": "007", "v": 1.5}\n{"id": "7", "v": null, "more": [1]}\n'
    )
    for uri, kind in ((csv, "csv"), (json, "json")):
        relation = FileRelation((uri,), kind, {"id": "varchar", "v": "double"})
        types = {column.name: column.type for column in bench.engine.describe(relation)}
        assert (types["id"], types["v"]) == ("varchar", "double")
        rows = bench.engine.fetch(bench.statement("SELECT id, v FROM t ORDER BY id"), {"t": relation}).rows
        assert [tuple(row.values()) for row in rows] == [("007", 1.5), ("7", None)]


def test_a_bad_csv_value_names_file_line_column_and_remedy(bench: Any) -> None:
    good = text_file(bench, "a.csv", "id,v\n1,1\n")
    bad = text_file(bench, "b.csv", "id,v\n" + "1,1\n" * 30_000 + "x,oops\n")
    relation = FileRelation((good, bad), "csv", {"id": "varchar", "v": "integer"})
    with pytest.raises(SourceUnreadableError) as caught:
        bench.one("SELECT sum(v) AS n FROM t", t=relation)
    assert caught.value.where == f"{bad}, line 30002, column v"
    assert "raw.columns: {v: varchar}" in str(caught.value.remedy)
    ragged = text_file(bench, "c.csv", "id,v\n" + "1,1\n" * 30_000 + "1,2,3,4\n")
    with pytest.raises(SourceUnreadableError, match="line 30002"):
        bench.one("SELECT sum(v) AS n FROM t", t=FileRelation((ragged,), "csv", {"v": "integer"}))


@pytest.mark.parametrize("text", ['{"id": 1}\n{"id": \n', "<html></html>", '{"id": 1}\nnot json\n'])
def test_a_bad_json_line_names_the_file(bench: Any, text: str) -> None:
    good = text_file(bench, "a.jsonl", '{"id": 1}\n')
    bad = text_file(bench, "b.jsonl", text)
    with pytest.raises(SourceUnreadableError, match=r"b\.jsonl"):
        bench.one("SELECT count(id) AS n FROM t", t=FileRelation((good, bad), "json", {"id": "bigint"}))


def test_a_truncated_gzip_file_is_named(bench: Any) -> None:
    path = Path(text_file(bench, "a.csv.gz", "id,v\n" + "".join(f"{n},{n * n}\n" for n in range(50_000))))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceUnreadableError, match=r"a\.csv\.gz"):
        bench.one("SELECT sum(v) AS n FROM t", t=FileRelation((str(path),), "csv", {"v": "bigint"}))


def test_names_with_pattern_characters_are_read_literally(bench: Any) -> None:
    bench.parquet("SELECT 1 AS x", "a1.parquet")
    odd = bench.parquet("SELECT 2 AS x", "a[1].parquet")
    star = bench.parquet("SELECT 3 AS x", "a*.parquet")
    quote = bench.parquet("SELECT 4 AS x", "it\u2019s é?.parquet")
    for relation, value in ((odd, 2), (star, 3), (quote, 4)):
        assert bench.one("SELECT sum(x) AS n FROM t", t=relation) == value
        assert bench.engine.describe(relation) == (Column("x", "integer"),)


def test_hive_folders_are_a_text_column(bench: Any) -> None:
    files = [bench.parquet(f"SELECT {n} AS x", f"day=2026-03-0{n}/part.parquet") for n in (1, 2)]
    uris = tuple(uri for file in files for uri in file.uris)
    relation = FileRelation(uris, partition_column="day")
    assert bench.engine.describe(relation) == (Column("x", "integer"), Column("day", "varchar"))
    assert bench.one("SELECT sum(x) AS n FROM t WHERE day = '2026-03-02'", t=relation) == 2
    assert bench.engine.describe(FileRelation(uris)) == (Column("x", "integer"),)


def test_files_may_differ_in_order_more_columns_and_width(bench: Any) -> None:
    a = bench.parquet("SELECT 1::INTEGER AS x, 'a' AS s", "a.parquet")
    b = bench.parquet("SELECT 'b' AS s, 5000000000::BIGINT AS x, 1 AS more", "b.parquet")
    assert bench.one("SELECT sum(x) AS n FROM t", t=FileRelation((*a.uris, *b.uris))) == 5_000_000_001


def test_addresses_elsewhere_are_refused_with_the_way_there(bench: Any) -> None:
    with pytest.raises(EngineError, match="only files on this machine"):
        bench.one("SELECT count(*) AS n FROM t", t=FileRelation(("s3://bucket/a.parquet",)))


class Stop(BaseException):
    """Represents KeyboardInterrupt or Dagster's interruption."""


SLOW = "SELECT CAST(max(a.n % 7 + b.n % 11) AS BIGINT) AS n FROM t AS a CROSS JOIN t AS b"


def statements_running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "duckdb-statement"]


def interrupted(act: Callable[[], object], begun: Callable[[], object]) -> None:
    """Raise Stop from a signal once the act has begun."""

    def stop(*_: object) -> None:
        raise Stop

    def send() -> None:
        wait_for("the statement begins", begun)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, stop)
    sender = threading.Thread(target=send)
    started = time.monotonic()
    sender.start()
    try:
        with pytest.raises(Stop):
            act()
        sender.join()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < LONGEST_S, "the query went on; it takes hours"


def test_an_interruption_stops_the_query_and_leaves_no_file(bench: Any) -> None:
    rows = bench.parquet("SELECT i::BIGINT AS n FROM range(3000000) AS r(i)")
    folder = bench.folder / "out"
    interrupted(
        lambda: bench.engine.unload(bench.statement(SLOW), {"t": rows}, ONE, str(folder)),
        begun=lambda: folder.exists() and list(folder.iterdir()),
    )
    assert list(folder.iterdir()) == []
    interrupted(lambda: bench.engine.fetch(bench.statement(SLOW), {"t": rows}), begun=statements_running)
    assert bench.one("SELECT max(n) AS n FROM t", t=rows) == 2_999_999
    assert not statements_running()


def test_a_sort_larger_than_memory_goes_to_disk(tmp_path: Path) -> None:
    with DuckDbEngine(DuckDbConfig(2, 128, tmp_path / "tmp")) as engine:
        source = tmp_path / "rows.parquet"
        duckdb.sql(f"COPY (SELECT hash(i)::VARCHAR AS s, i AS n FROM range(3000000) AS t(i)) TO '{source}'")
        tree = sqlglot.parse_one("SELECT s, CAST(n AS BIGINT) AS n FROM t", read="athena")
        table = TableContract("t", (Column("s", "varchar"), Column("n", "bigint")), sort_by=("s",))
        relations = {"t": FileRelation((str(source),))}
        written = engine.unload(Statement("sort", tree), relations, table, str(tmp_path / "out"))
        assert written.files[0].rows == 3_000_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA lake")
        connection.execute("CREATE TABLE lake.events AS SELECT 1 AS x, DATE '2026-03-01' AS day")
        connection.execute("CREATE TABLE plain AS SELECT 2 AS x")
    return path


def test_tables_of_the_database_file(tmp_path: Path, database: Path, bench: Any) -> None:
    with DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=database)) as engine:
        events = TableRelation("lake.events")
        assert engine.describe(events) == (Column("x", "integer"), Column("day", "date"))
        statement = bench.statement("SELECT raw.x AS x FROM raw")
        assert engine.fetch(statement, {"raw": events}).rows == ({"x": 1},)
        assert engine.fetch(statement, {"raw": TableRelation("plain")}).rows == ({"x": 2},)
        with pytest.raises(SourceMissingError, match=r"lake\.evnts"):
            engine.describe(TableRelation("lake.evnts"))
        state = engine.table_state("lake.events")
        first, second = (TableDay(day_column("Day"), parse_day(key)) for key in ("2026-03-01", "2026-03-02"))
        of_days = [engine.table_state("lake.events", part) for part in (first, second)]
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO lake.events SELECT range, NULL FROM range(100000)")
    with DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=database)) as engine:
        assert engine.table_state("lake.events") != state
        assert [engine.table_state("lake.events", part) for part in (first, second)] == of_days
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO lake.events VALUES (7, DATE '2026-03-02'), (7, DATE '2026-03-02')")
    with DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=database)) as engine:
        assert engine.table_state("lake.events", first) == of_days[0]
        assert engine.table_state("lake.events", second) != of_days[1]
        with pytest.raises(SourceMissingError, match=r"lake\.evnts"):
            engine.table_state("lake.evnts", first)


def test_a_database_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with DuckDbEngine(DuckDbConfig(1, 256, tmp_path / "tmp", database=tmp_path / "no.db")) as engine:
        with pytest.raises(EngineError, match="cannot be opened"):
            engine.describe(TableRelation("t"))
        with pytest.raises(SourceMissingError, match="does not exist"):
            engine.table_state("t")


@pytest.mark.parametrize(
    ("name", "athena"),
    [
        ("VARCHAR", "varchar"),
        ("TIMESTAMP_NS", "timestamp"),
        ("TIMESTAMP WITH TIME ZONE", "timestamp with time zone"),
        ("DECIMAL(10,2)", "decimal(10,2)"),
        ("INTEGER[][]", "array(array(integer))"),
        ("FLOAT", "real"),
        ("HUGEINT", "hugeint"),
        ("ENUM('a', 'b')", "varchar"),
    ],
)
def test_types_have_athenas_names(name: str, athena: str) -> None:
    assert athena_type(name) == athena


@pytest.mark.parametrize("name", ["varchar", "bigint", "array(varchar)", "real", "timestamp with time zone"])
def test_types_go_back_and_forth(name: str) -> None:
    found = duckdb.sql(f"SELECT CAST(NULL AS {duckdb_type(name).sql('duckdb')}) AS x").types[0]
    assert athena_type(str(found)) == name


def test_a_table_without_a_database_names_the_setting(bench: Any) -> None:
    with pytest.raises(SourceMissingError, match="CLUSTER_DUCKDB_DATABASE"):
        bench.engine.describe(TableRelation("lake.events"))
    with pytest.raises(SourceMissingError, match="CLUSTER_DUCKDB_DATABASE"):
        bench.one("SELECT count(*) AS n FROM raw", raw=TableRelation("lake.events"))


def test_a_sum_of_integers_that_is_not_cast_is_refused(bench: Any) -> None:
    rows = bench.parquet("SELECT 1::BIGINT AS k")
    with pytest.raises(EngineError, match="double"):  # a HUGEINT, which Parquet has not
        bench.engine.unload(
            bench.statement("SELECT sum(k) AS n FROM t"), {"t": rows}, ONE, str(bench.folder / "o")
        )
