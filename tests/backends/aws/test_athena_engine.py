"""The Athena engine over real wire protocols: what it reads, writes and says of it."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import PAIR, statement
from waiting import LONGEST_S

from cluster_assets.backends.ports import FileRelation, TableRelation
from cluster_assets.domain.costs import MEGABYTE, SMALLEST_QUERY_BYTES, AthenaPrice, billed_bytes
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import (
    EngineError,
    SourceMissingError,
    SourceSchemaError,
    SourceUnreadableError,
)
from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.domain.times.layouts import TableDay, day_column, read_layout

if TYPE_CHECKING:
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.backends.athena.engine import AthenaEngine

DAYS = (parse_day("2026-03-01"), parse_day("2026-03-02"))


def test_a_long_answer_comes_in_pages(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    rows = athena_lake.parquet("SELECT i AS k, i::VARCHAR AS s FROM range(2500) AS t(i)", tmp_path)
    found = engine.fetch(statement("SELECT k, s FROM t ORDER BY k"), {"t": rows})
    assert [(row["k"], row["s"]) for row in found.rows] == [(k, str(k)) for k in range(2500)]
    assert athena_lake.wire.calls["GetQueryResults"] == 3


def test_values_come_back_typed(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    rows = athena_lake.parquet(
        "SELECT TRUE AS b, 7::INTEGER AS i, 0.5::DOUBLE AS d, 'x' AS s, NULL::VARCHAR AS n, '' AS e, "
        "DATE '2026-03-01' AS day, TIMESTAMP '2026-03-01 12:30:00.250' AS moment, 1.25::DECIMAL(10,2) AS m, "
        "'\\x00\\xFF'::BLOB AS raw",
        tmp_path,
    )
    (row,) = engine.fetch(statement("SELECT * FROM t"), {"t": rows}).rows
    assert str(row.pop("m")) == "1.25"
    assert row == {
        "b": True, "i": 7, "d": 0.5, "s": "x", "n": None, "e": "", "day": dt.date(2026, 3, 1),
        "moment": dt.datetime.fromisoformat("2026-03-01 12:30:00.250"), "raw": b"\x00\xff",
    }  # fmt: skip


def test_nested_values_are_refused_rather_than_guessed(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    rows = athena_lake.parquet("SELECT ['a, b', 'c'] AS tokens", tmp_path)
    with pytest.raises(EngineError, match="nested values in tokens"):
        engine.fetch(statement("SELECT tokens FROM t"), {"t": rows})


def test_several_files_are_listed_with_their_own_rows(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    athena_lake.wire.statements.files_per_write = 3
    rows = athena_lake.parquet("SELECT i AS k, i * 0.5e0 AS v FROM range(100) AS t(i)", tmp_path)
    prefix = athena_lake.fresh()
    done = engine.unload(statement("SELECT k, v FROM t"), {"t": rows}, PAIR, prefix)
    assert [file.rows for file in done.files] in ([33, 33, 34], [33, 34, 33], [34, 33, 33])
    assert sorted(file.uri for file in done.files) == athena_lake.list(prefix)
    assert all(file.bytes == len(athena_lake.get(file.uri)) for file in done.files)
    assert sorted(athena_lake.rows([file.uri for file in done.files], tmp_path)) == [
        (k, k / 2) for k in range(100)
    ]
    (request,) = [request for name, request in athena_lake.wire.requests if name == "StartQueryExecution"]
    assert request["QueryString"].endswith("WITH (format = 'PARQUET', compression = 'ZSTD')")
    assert request["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"] == {"Enabled": False}


def test_a_partitioned_table_has_files_by_value(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    contract = TableContract(
        "blocks", (Column("k", "bigint"), Column("block", "bigint")), sort_by=(), partitioned_by="block"
    )
    rows = athena_lake.parquet("SELECT i AS k, i // 20 AS block FROM range(240) AS t(i)", tmp_path)
    query = statement("SELECT k, block FROM t")
    done = engine.unload(query, {"t": rows}, contract, athena_lake.fresh())
    assert [file.partition for file in done.files] == [str(block) for block in range(12) for _ in range(2)]
    for block in range(12):
        uris = [file.uri for file in done.files if file.partition == str(block)]
        assert sorted(athena_lake.rows(uris, tmp_path)) == [(k,) for k in range(20 * block, 20 * block + 20)]
    again = FileRelation(tuple(file.uri for file in done.files), partition_column="block")
    (row,) = engine.fetch(
        statement("SELECT count(DISTINCT block) AS n, sum(k) AS k FROM t"), {"t": again}
    ).rows
    assert row == {"n": 12, "k": sum(range(240))}
    for text, told in (
        ("SELECT block AS k, k AS block FROM t", "HIVE_TOO_MANY_OPEN_PARTITIONS"),
        ("SELECT block, k FROM t", "HIVE_COLUMN_ORDER_MISMATCH"),
        ("SELECT k, CAST(NULL AS BIGINT) AS block FROM t", "expected an integer"),
        ("SELECT CAST(k AS DOUBLE) AS k, block FROM t", "it returns k double; expected k bigint"),
    ):
        prefix = athena_lake.fresh()
        with pytest.raises(EngineError, match=told):
            engine.unload(statement(text), {"t": rows}, contract, prefix)
        assert athena_lake.list(prefix) == []


def test_the_estimate_is_what_is_read(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    rows = athena_lake.parquet(
        "SELECT i AS k, hash(i)::VARCHAR AS s, [i] AS toks FROM range(5000) AS t(i)", tmp_path
    )
    for columns in (["k"], ["S"], ["k", "toks"], ["nothing"], []):
        text = (
            ", ".join(f"count({name}) AS {name}" for name in columns if name != "nothing") or "count(*) AS n"
        )
        read = engine.fetch(statement(f"SELECT {text} FROM t"), {"t": rows}).statistics.bytes_scanned
        assert engine.scan_bytes(rows, columns) == read
    assert engine.scan_bytes(FileRelation((), columns=PAIR.columns), ["k"]) == 0
    size = len(athena_lake.get(rows.uris[0]))
    assert engine.scan_bytes(FileRelation(rows.uris, "csv"), ["k"]) == size
    with pytest.raises(SourceMissingError):
        engine.scan_bytes(FileRelation(("s3://lake-of-the-tests/gone.parquet",)), ["k"])


def test_only_what_is_mentioned_is_read_and_billed(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    rows = athena_lake.parquet("SELECT i AS k, hash(i)::VARCHAR AS long FROM range(20000) AS t(i)", tmp_path)
    relations = {"t": rows}
    all_ = engine.fetch(statement("SELECT count(k) AS n, count(long) AS m FROM t"), relations).statistics
    one = engine.fetch(statement("SELECT count(k) AS n FROM t"), relations).statistics
    none = engine.fetch(statement("SELECT count(*) AS n FROM t"), relations).statistics
    assert 0 == none.bytes_scanned < one.bytes_scanned < all_.bytes_scanned / 2
    assert all_.bytes_scanned <= len(athena_lake.get(rows.uris[0]))
    assert one.billed_bytes == SMALLEST_QUERY_BYTES
    assert one.engine_seconds > 0
    assert AthenaPrice().dollars(billed_bytes(25 * MEGABYTE - 1)) == pytest.approx(5 * 25 / 2**20)


def test_a_column_of_two_types_matters_only_where_it_is_read(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    folder = athena_lake.fresh()
    for name, value in (("a", "1"), ("b", "1.5e0")):
        athena_lake.parquet(f"SELECT '{name}' AS s, {value} AS v", tmp_path, f"{folder}/{name}.parquet")
    both = FileRelation(tuple(f"{folder}/{name}.parquet" for name in "ab"))
    assert len(engine.fetch(statement("SELECT s FROM t"), {"t": both}).rows) == 2
    with pytest.raises(SourceSchemaError, match=r"v is double, not integer(?s:.*)cast v in a view"):
        engine.fetch(statement("SELECT v FROM t"), {"t": both})


def test_files_that_are_not_named_are_not_read(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    folder = athena_lake.fresh()
    for name in ("a", "b", "deep/c", "other/d"):
        athena_lake.parquet(f"SELECT '{name}' AS s", tmp_path, f"{folder}/{name}.parquet")
    named = FileRelation(tuple(f"{folder}/{name}.parquet" for name in ("a", "deep/c")))
    found = engine.fetch(statement('SELECT s, "$path" AS p FROM t ORDER BY s'), {"t": named}).rows
    assert [(row["s"], row["p"]) for row in found] == [("a", named.uris[0]), ("deep/c", named.uris[1])]


def test_partition_folders_are_a_column(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    folder = athena_lake.fresh()
    values = {"2026-03-01": "2026-03-01", "it%27s %2F": "it's /"}
    for number, value in enumerate(values):
        athena_lake.parquet(f"SELECT {number} AS n", tmp_path, f"{folder}/day={value}/x.parquet")
    uris = tuple(sorted(f"{folder}/day={value}/x.parquet" for value in values))
    relation = FileRelation(uris, partition_column="day")
    assert engine.describe(relation) == (Column("n", "integer"), Column("day", "varchar"))
    found = engine.fetch(statement("SELECT n, day FROM t ORDER BY n"), {"t": relation}).rows
    assert [row["day"] for row in found] == list(values.values())
    assert athena_lake.scratch_tables() == []


def test_tables_of_the_catalog(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    folder = athena_lake.fresh()
    rows = athena_lake.parquet(
        "SELECT 1::BIGINT AS k, ['a'] AS tokens", tmp_path, f"{folder}/day=1/a.parquet"
    )
    storage = {
        "Columns": [{"Name": "k", "Type": "bigint"}, {"Name": "tokens", "Type": "array<string>"}],
        "Location": f"{folder}/",
    }
    athena_lake.glue.create_table(
        DatabaseName="default",
        TableInput={
            "Name": "events",
            "StorageDescriptor": storage,
            "PartitionKeys": [{"Name": "day", "Type": "string"}],
        },
    )
    athena_lake.glue.create_partition(
        DatabaseName="default",
        TableName="events",
        PartitionInput={"Values": ["1"], "StorageDescriptor": {**storage, "Location": f"{folder}/day=1/"}},
    )
    table = TableRelation("Events")
    assert engine.describe(table) == (
        Column("k", "bigint"),
        Column("tokens", "array(varchar)"),
        Column("day", "varchar"),
    )
    query = statement("SELECT k, cardinality(tokens) AS n, day FROM raw")
    for name in ("events", "default.events", "AwsDataCatalog.default.events"):
        (row,) = engine.fetch(query, {"raw": TableRelation(name)}).rows
        assert row == {"k": 1, "n": 1, "day": "1"}
    states = [engine.table_state("events"), engine.table_state("default.events".partition(".")[2])]
    assert states[0] == states[1]
    athena_lake.put(f"{folder}/day=1/b.parquet", athena_lake.get(rows.uris[0]))
    states.append(engine.table_state("events"))
    athena_lake.put(f"{folder}/day=1/_ignored", b"x")
    assert engine.table_state("events") == states[2] != states[0]

    by_day = [engine.table_state("events", TableDay(read_layout("day=%Y%m%d"), day)) for day in DAYS]
    other = {**storage, "Location": f"{folder}/day=20260302/"}
    athena_lake.parquet(
        "SELECT 2::BIGINT AS k, ['b'] AS tokens", tmp_path, f"{folder}/day=20260302/a.parquet"
    )
    athena_lake.glue.create_partition(
        DatabaseName="default",
        TableName="events",
        PartitionInput={"Values": ["20260302"], "StorageDescriptor": other},
    )
    now = [engine.table_state("events", TableDay(read_layout("day=%Y%m%d"), day)) for day in DAYS]
    assert now[0] == by_day[0], "a new partition changes its own day only"
    assert now[1] != by_day[1]
    assert engine.table_state("events") != states[2]
    # Without such a partition key, it is the state of the whole table.
    assert engine.table_state("events", TableDay(day_column("k"), DAYS[0])) == engine.table_state("events")


def test_a_view_changes_with_what_it_reads(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    folder = athena_lake.fresh()
    athena_lake.parquet("SELECT 1::BIGINT AS k", tmp_path, f"{folder}/a.parquet")
    columns = [{"Name": "k", "Type": "bigint"}]
    athena_lake.glue.create_table(
        DatabaseName="default",
        TableInput={"Name": "base", "StorageDescriptor": {"Columns": columns, "Location": folder}},
    )
    for name, text in (
        ("one", "SELECT k FROM base"),
        ("two", 'WITH x AS (SELECT k FROM "one") SELECT k FROM x'),
    ):
        document = json.dumps(
            {"originalSql": text, "catalog": "awsdatacatalog", "schema": "default"}
        ).encode()
        athena_lake.glue.create_table(
            DatabaseName="default",
            TableInput={
                "Name": name,
                "TableType": "VIRTUAL_VIEW",
                "StorageDescriptor": {"Columns": columns},
                "ViewOriginalText": f"/* Presto View: {base64.b64encode(document).decode()} */",
            },
        )
    assert engine.describe(TableRelation("two")) == (Column("k", "bigint"),)
    assert engine.scan_bytes(TableRelation("two"), ["k"]) == len(athena_lake.get(f"{folder}/a.parquet"))
    before = engine.table_state("two")
    athena_lake.parquet("SELECT 2::BIGINT AS k", tmp_path, f"{folder}/b.parquet")
    assert engine.table_state("two") != before
    (row,) = engine.fetch(statement("SELECT sum(k) AS n FROM raw"), {"raw": TableRelation("two")}).rows
    assert row == {"n": 3}
    for name in ("base", "one", "two"):
        athena_lake.glue.delete_table(DatabaseName="default", Name=name)


def test_a_table_that_is_not_there_and_a_view(athena_lake: Lake, engine: AthenaEngine) -> None:
    for act in (
        lambda: engine.describe(TableRelation("lake.nothing")),
        lambda: engine.table_state("nothing"),
        lambda: engine.fetch(statement("SELECT count(*) AS n FROM raw"), {"raw": TableRelation("nothing")}),
    ):
        with pytest.raises(SourceMissingError, match="nothing"):
            act()
    athena_lake.glue.create_table(
        DatabaseName="default", TableInput={"Name": "a_view", "TableType": "VIRTUAL_VIEW"}
    )
    with pytest.raises(EngineError, match="the view a_view cannot be read"):
        engine.table_state("a_view")
    athena_lake.glue.delete_table(DatabaseName="default", Name="a_view")
    with pytest.raises(EngineError, match="not in the catalog"):
        engine.table_state("elsewhere.default.events")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "it is empty"),
        (b"PAR1", "last bytes"),
        (b"no Parquet at all, but long enough to be some", "last bytes"),
        (b"PAR1" + b"\xff\xff\xff\x7fPAR1", "longer than the file"),
        (b"PAR1" + bytes(range(100)) + (100).to_bytes(4, "little") + b"PAR1", "is invalid"),
    ],
)
def test_a_broken_file_is_named(athena_lake: Lake, engine: AthenaEngine, body: bytes, told: str) -> None:
    uri = f"{athena_lake.fresh()}/broken.parquet"
    athena_lake.put(uri, body)
    for act in (
        lambda: engine.describe(FileRelation((uri,))),
        lambda: engine.fetch(statement("SELECT k FROM t"), {"t": FileRelation((uri,))}),
    ):
        with pytest.raises(SourceUnreadableError, match=told) as caught:
            act()
        assert caught.value.where == uri


def test_a_large_footer_is_read_whole(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    columns = ", ".join(f"1 AS a_column_with_a_long_name_{number}" for number in range(2000))
    rows = athena_lake.parquet(f"SELECT {columns}", tmp_path)
    assert len(engine.describe(rows)) == 2000


def test_scratch_tables_go_and_old_ones_are_swept(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    rows = athena_lake.parquet("SELECT 1 AS k", tmp_path)
    with pytest.raises(EngineError, match=r"COLUMN_NOT_FOUND.*nothing"):
        engine.fetch(statement("SELECT nothing FROM t"), {"t": rows})
    assert athena_lake.scratch_tables() == []
    for name in ("s_left", "not_ours"):
        athena_lake.glue.create_table(DatabaseName="cluster_assets_scratch", TableInput={"Name": name})
    now = dt.datetime.now(dt.UTC)
    assert engine.sweep(now - dt.timedelta(hours=1)) == 0
    assert engine.sweep(now + dt.timedelta(hours=1)) == 1
    assert athena_lake.scratch_tables() == ["not_ours"]
    athena_lake.glue.delete_table(DatabaseName="cluster_assets_scratch", Name="not_ours")


def test_a_missing_scratch_database_is_named(athena_lake: Lake, tmp_path: Path) -> None:
    rows = athena_lake.parquet("SELECT 1 AS k", tmp_path)
    with (
        athena_lake.engine(scratch_database="not_made") as engine,
        pytest.raises(EngineError, match="no Glue database not_made"),
    ):
        engine.fetch(statement("SELECT k FROM t"), {"t": rows})


def test_many_threads_share_an_engine(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    rows = athena_lake.parquet("SELECT i AS k FROM range(50) AS t(i)", tmp_path)
    started = threading.Barrier(6)

    def count(below: int) -> Any:
        started.wait(LONGEST_S)
        return engine.fetch(statement(f"SELECT count(*) AS n FROM t WHERE k < {below}"), {"t": rows}).rows

    with ThreadPoolExecutor(6) as pool:
        assert [found[0]["n"] for found in pool.map(count, range(6))] == list(range(6))
    assert athena_lake.scratch_tables() == []
