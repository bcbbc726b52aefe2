"""Statements as Athena receives them: odd names and values, and those that are never sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot
from athena_lake import PAIR, statement
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster_assets.backends.athena.queries import LONGEST_QUERY_BYTES, check_length
from cluster_assets.backends.ports import FileRelation, Statement
from cluster_assets.backends.statements import column, literal
from cluster_assets.domain.errors import EngineError
from cluster_assets.spec.expressions import check_aggregate

if TYPE_CHECKING:
    from pathlib import Path

    from athena_lake import Lake

    from cluster_assets.backends.athena.engine import AthenaEngine


def test_an_expression_that_became_a_query_is_not_sent(
    athena_lake: Lake, engine: AthenaEngine, tmp_path: Path
) -> None:
    rows = athena_lake.parquet("SELECT TIMESTAMP '2026-01-05' AS ts", tmp_path)
    text = 'max(extract("day from ts) + (select max(salary) from hr.payroll) + extract(day" from ts))'
    with pytest.raises(ValueError, match="unknown time unit"):
        check_aggregate(text)
    before = athena_lake.wire.calls["StartQueryExecution"]
    with pytest.raises(EngineError, match="test was not run"):
        engine.fetch(statement(f"SELECT {text} AS v FROM raw"), {"raw": rows})
    assert athena_lake.wire.calls["StartQueryExecution"] == before


def test_other_formats_and_other_places_are_refused(engine: AthenaEngine) -> None:
    query = statement("SELECT k FROM t")
    with pytest.raises(EngineError, match="csv files only as a table"):
        engine.fetch(query, {"t": FileRelation(("s3://b/a.csv",), "csv")})
    with pytest.raises(EngineError, match=r"only s3:// URIs, not /data/a\.parquet"):
        engine.fetch(query, {"t": FileRelation(("/data/a.parquet",))})
    with pytest.raises(EngineError, match="only s3:// URIs"):
        engine.unload(query, {"t": FileRelation((), columns=PAIR.columns)}, PAIR, "/data/out")


def test_no_rows_still_need_the_right_columns(athena_lake: Lake, engine: AthenaEngine) -> None:
    empty = {"t": FileRelation((), columns=PAIR.columns)}
    assert engine.unload(statement("SELECT k, v FROM t"), empty, PAIR, athena_lake.fresh()).files == ()
    with pytest.raises(EngineError, match="it returns k double, v double; expected k bigint"):
        engine.unload(statement("SELECT CAST(k AS DOUBLE) AS k, v FROM t"), empty, PAIR, athena_lake.fresh())


def test_a_taken_prefix_is_refused(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    rows = athena_lake.parquet("SELECT 1::BIGINT AS k, 1e0 AS v", tmp_path)
    prefix = athena_lake.fresh()
    athena_lake.put(f"{prefix}/already", b"x")
    with pytest.raises(EngineError, match="HIVE_PATH_ALREADY_EXISTS"):
        engine.unload(statement("SELECT k, v FROM t"), {"t": rows}, PAIR, prefix)
    assert athena_lake.wire.calls["StartQueryExecution"] == 1


def test_a_text_that_is_too_long_costs_no_call(athena_lake: Lake, engine: AthenaEngine) -> None:
    check_length("test", "é" * (LONGEST_QUERY_BYTES // 2))
    with pytest.raises(EngineError, match=r"262,146 bytes.*262,144"):
        check_length("test", "é" * (LONGEST_QUERY_BYTES // 2 + 1))
    query = statement(f"SELECT '{'x' * LONGEST_QUERY_BYTES}' AS s FROM t")
    nowhere = {"t": FileRelation(("s3://no-such-bucket-of-mine/a.parquet",))}  # would fail if looked at
    for act in (
        lambda: engine.fetch(query, nowhere),
        lambda: engine.unload(query, nowhere, PAIR, athena_lake.fresh()),
    ):
        with pytest.raises(EngineError, match="query string length"):
            act()
    assert not athena_lake.wire.calls


ODD = ["it's", '"', "';", "--", "/*", "\\", "\n", "%s", "{x}", "$path", "`", "é😀", "NULL", "a;DROP TABLE t"]


def test_odd_names_and_addresses(athena_lake: Lake, engine: AthenaEngine, tmp_path: Path) -> None:
    names = ['we"ird', "a;b", "it's", "select", "sp ace", "é"]
    values = ", ".join(
        f"{number}::BIGINT AS " + '"' + name.replace('"', '""') + '"' for number, name in enumerate(names)
    )
    uri = f'{athena_lake.fresh()}/it\'s; "a" --%20+é.parquet'
    rows = athena_lake.parquet(f"SELECT {values}", tmp_path, uri)
    tree = sqlglot.select(*(column(name) for name in [*names, "$path"])).from_("t")
    (row,) = engine.fetch(Statement("test", tree), {"t": rows}).rows
    assert dict(row) == {name: number for number, name in enumerate(names)} | {"$path": uri}
    prefix = f"{athena_lake.fresh()}/o'clock; DROP TABLE x --"
    tree = sqlglot.select(column("a;b").as_("k"), literal(0.1).as_("v")).from_("t")
    done = engine.unload(Statement("test", tree), {"t": rows}, PAIR, prefix)
    assert athena_lake.rows([file.uri for file in done.files], tmp_path) == [(1, 0.1)]


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.sampled_from(ODD) | st.text("ab'\"\\;-\x00\u2028é", max_size=6), min_size=1, max_size=20))
def test_values_are_values(engine: AthenaEngine, values: list[str]) -> None:
    columns = [literal(value).as_(f"c{number}") for number, value in enumerate(values)]
    empty = FileRelation((), columns=PAIR.columns)
    tree = sqlglot.select(*columns).from_(sqlglot.select("count(*) AS n").from_("t").subquery("one"))
    (row,) = engine.fetch(Statement("test", tree), {"t": empty}).rows
    assert [row[f"c{number}"] for number in range(len(values))] == values
