"""The contract of all SQL engines: equal rows for equal statements, exact types, complete files or none."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cluster_assets.backends.batches import Query, batched
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.errors import EngineError, SourceMissingError, SourceUnreadableError
from cluster_assets.domain.tables import Column, TableContract

GREEK = "".join(chr(code) for code in range(0x370, 0x470))  # more characters than one byte tells apart
PAIR = TableContract("pair", (Column("k", "bigint"), Column("v", "double")), sort_by=("k",))


# What an expression is worth over one row with x = 7, in Athena and so on every engine.
EXPRESSIONS = [
    # Integer division truncates; DuckDB alone would give 3.5.
    ("7 / 2", 3),
    ("-7 / 2", -3),
    ("x / 2", 3),
    ("7 / CAST(2 AS DOUBLE)", 3.5),
    # Whole units, not borders crossed.
    ("date_diff('day', TIMESTAMP '2026-03-01 23:59:00', TIMESTAMP '2026-03-02 00:01:00')", 0),
    ("date_diff('hour', TIMESTAMP '2026-03-01 00:30:00', TIMESTAMP '2026-03-01 03:29:59')", 2),
    ("date_diff('second', TIMESTAMP '2026-03-01 00:00:00', TIMESTAMP '2026-03-01 00:00:30')", 30),
    # Null where DuckDB alone would give an empty text.
    ("regexp_extract('abc', 'x+')", None),
    ("regexp_extract('axxb', 'x+')", "xx"),
    ("split_part('a.b', '.', 3)", None),
    ("split_part('a.b', '.', 2)", "b"),
    ("greatest(1, NULL)", None),
    ("least(CAST(NULL AS DOUBLE), 1)", None),
    ("'a' || NULL", None),
    ("concat('a', NULL)", None),
    # Characters, not bytes.
    ("length('é😀')", 2),
    ("substr('é😀x', 2, 1)", "😀"),
    ("lower('ÀÉ')", "àé"),
    # By code point.
    ("'Z' < 'a'", True),
    ("'é' > 'z'", True),
    ("is_nan(CAST('NaN' AS DOUBLE))", True),
    ("is_finite(CAST('Infinity' AS DOUBLE))", False),
    ("CAST('NaN' AS DOUBLE) BETWEEN DOUBLE '-1e150' AND DOUBLE '1e150'", False),
    ("DOUBLE '0.1' + DOUBLE '0.2'", 0.1 + 0.2),
    ("round(DOUBLE '2.5')", 3.0),
    ("day_of_week(DATE '2026-03-01')", 7),
    ("cardinality(ARRAY['a', 'b'])", 2),
    ("array_join(array_sort(ARRAY['b', 'B', 'a']), ',')", "B,a,b"),
    # Halves go away from zero; DuckDB alone would go to the even neighbour.
    ("CAST(x - DOUBLE '4.5' AS BIGINT)", 3),
    ("CAST(DOUBLE '4.5' - x AS INTEGER)", -3),
    ("TRY_CAST(concat('1', '.5') AS BIGINT)", None),
    ("TRY_CAST(concat(' ', '12') AS BIGINT)", 12),
    ("CAST(concat('é', 'abc') AS VARCHAR(2))", "éa"),
    # NaN is above nothing, and the largest only where it is alone.
    ("CASE WHEN CAST('NaN' AS DOUBLE) + x > 1 THEN 'above' ELSE 'not' END", "not"),
    ("(SELECT max(v) FROM (VALUES CAST('NaN' AS DOUBLE), DOUBLE '1') AS w (v))", 1.0),
    # Edits of characters, with few and with many of them.
    ("levenshtein_distance(concat('é', 'x'), '😀x')", 1),
    ("levenshtein_distance(concat('', 'kitten'), 'sitting')", 3),
    (f"levenshtein_distance('{GREEK}', concat('a', '{GREEK[1:]}'))", 1),
    ("upper(concat('straße', 'é'))", "STRAßEÉ"),
    ("substr(concat('a', 'bc'), 0, 2)", ""),
    ("substr(concat('a', 'bc'), -2)", "bc"),
    ("regexp_replace(concat('a', 'b'), '([a-c])', '<$1>')", "<a><b>"),
    ("extract(DOW FROM DATE '2026-03-01')", 7),
    ("array_join(array_distinct(array_sort(split('b,a,b', ','))), ',')", "a,b"),
    ("cardinality(array_distinct(array_sort(ARRAY['b', NULL, 'b', NULL])))", 2),
    ("array_join(cast(json_parse('[\"a\", 1, true, null]') AS array(varchar)), ',', '-')", "a,1,true,-"),
    ("cardinality(cast(json_parse('null') AS array(varchar)))", None),
    ("array_join(array_distinct(split(concat('c.', 'a.c'), '.')), ',')", "c,a"),
    ("array_max(ARRAY[x, NULL])", None),
    ("""json_extract_scalar(concat('{"a":', '[1]}'), '$.a')""", None),
    ("""json_extract_scalar(concat('{"a":', '"b"}'), '$.a')""", "b"),
    # Moments, whatever zone they are told in.
    ("TIMESTAMP '2026-03-29 03:30:00 Europe/Berlin' = TIMESTAMP '2026-03-29 01:30:00 UTC'", True),
    ("hour(TIMESTAMP '2026-03-29 01:30:00 UTC' AT TIME ZONE 'Europe/Berlin')", 3),
    ("hour(TIMESTAMP '2026-03-29 01:30:00' AT TIME ZONE 'Europe/Berlin')", 3),
    ("hour(at_timezone(TIMESTAMP '2026-03-29 01:30:00', 'Europe/Berlin'))", 3),
    ("to_unixtime(parse_datetime('10/Oct/2000:13:55:36 -0700', 'dd/MMM/yyyy:HH:mm:ss Z'))", 971211336.0),
    ("to_unixtime(parse_datetime('2026-03-02T05', 'yyyy-MM-dd''T''HH'))", 1772427600.0),
    ("date_parse('3/2/26 1:05 PM', '%m/%d/%y %h:%i %p') = TIMESTAMP '2026-03-02 13:05:00'", True),
]  # fmt: skip
AGGREGATES = [
    ("sum(x) / 2", 3),
    ("sum(CAST(x AS BIGINT)) * 2", 14),
]


@pytest.mark.parametrize("expressions", [EXPRESSIONS, AGGREGATES], ids=["of a row", "of a group"])
def test_expressions_mean_what_athena_means(bench: Any, expressions: list[tuple[str, object]]) -> None:
    """All in one statement: on a server each statement costs a tenth of a second."""
    rows = bench.parquet("SELECT 7 AS x")
    listed = ", ".join(f"{expression} AS v{n}" for n, (expression, _) in enumerate(expressions))
    found = bench.engine.fetch(bench.statement(f"SELECT {listed} FROM source_rows"), {"source_rows": rows})
    (row,) = found.rows
    expected = {expression: (value, type(value)) for expression, value in expressions}
    assert {
        expression: (value, type(wanted) if isinstance(value, int) else type(value))
        for (expression, wanted), value in zip(expressions, row.values(), strict=True)
    } == expected


def test_unload_sorts_and_types_and_counts(bench: Any) -> None:
    rows = bench.parquet("SELECT (i * 7) % 11 AS k, i * 0.5e0 AS v FROM range(11) AS t(i)")
    written = bench.engine.unload(
        bench.statement("SELECT CAST(k AS BIGINT) AS k, CAST(v AS DOUBLE) AS v FROM t"),
        {"t": rows, "unused": FileRelation(("/nowhere/at/all.parquet",))},
        PAIR,
        str(bench.folder / "out" / "deep"),
    )
    (file,) = written.files
    assert file.rows == 11
    assert file.bytes == Path(file.uri).stat().st_size
    assert written.statistics.bytes_scanned > 0
    assert written.statistics.seconds > 0
    assert list((bench.folder / "out" / "deep").iterdir()) == [Path(file.uri)]
    found = duckdb.sql(f"SELECT * FROM '{file.uri}'").fetchall()
    keys = [k for k, _ in found]
    assert sorted(keys) == list(range(11))
    if bench.engine.name != "athena":  # which writes several files at once and promises no order
        assert keys == sorted(keys)
    assert bench.engine.describe(FileRelation((file.uri,))) == PAIR.columns


def test_scratch_tables_are_filled_one_from_the_other(bench: Any) -> None:
    rows = bench.parquet(
        "SELECT (i * 7) % 11 AS k, i * 0.5e0 AS v, [i, i + 1] AS held FROM range(11) AS t(i)"
    )
    lists = TableContract("lists", (*PAIR.columns, Column("held", "array(bigint)")), sort_by=("k",))
    with bench.engine.scratch(str(bench.folder / "scratch")) as scratch:
        known = {"t": rows}
        for table, columns, source in ((lists, "k, v, held", "t"), (PAIR, "k, v", "lists")):
            typed = ", ".join(
                f"CAST({one.name} AS {one.type}) AS {one.name}"
                for one in table.columns
                if one.name in columns
            )
            filled = scratch(bench.statement(f"SELECT {typed} FROM {source} WHERE k > 2"), known, table)
            assert filled.statistics.seconds > 0
            known[table.name] = filled.relation
        nothing = scratch(
            bench.statement("SELECT k, v FROM pair WHERE k > 11"), known, replace(PAIR, name="nothing")
        )
        known["nothing"] = nothing.relation
        counted = bench.statement(
            "SELECT sum(pair.k) AS k, sum(cardinality(lists.held)) AS held, max(lists.held[2]) AS last, "
            "(SELECT count(*) FROM nothing) AS none FROM pair JOIN lists ON lists.k = pair.k"
        )
        assert bench.engine.fetch(counted, known).rows == ({"k": 52, "held": 16, "last": 11, "none": 0},)
        with pytest.raises(EngineError, match="expected k bigint, v double"):
            scratch(bench.statement("SELECT k FROM pair"), known, replace(PAIR, name="other"))


def test_no_rows_no_file(bench: Any) -> None:
    empty = FileRelation((), columns=PAIR.columns)
    written = bench.engine.unload(
        bench.statement("SELECT k, v FROM t"), {"t": empty}, PAIR, str(bench.folder / "none")
    )
    assert written.files == ()
    assert list((bench.folder / "none").iterdir()) == []
    assert bench.one("SELECT count(*) AS n FROM t", t=empty) == 0
    assert bench.engine.describe(empty) == PAIR.columns


def test_an_empty_relation_has_the_types_of_its_columns(bench: Any) -> None:
    columns = (Column("tokens", "array(varchar)"), Column("Odd name", "timestamp with time zone"))
    empty = FileRelation((), columns=columns)
    assert bench.one('SELECT sum(cardinality(tokens)) AS n FROM t WHERE "Odd name" IS NULL', t=empty) is None


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ("CAST(1 AS VARCHAR) AS k, CAST(1 AS DOUBLE) AS v", "k varchar, v double"),
        ("CAST(1 AS INTEGER) AS k, CAST(1 AS DOUBLE) AS v", "k integer"),
        ("CAST(1 AS DOUBLE) AS v, CAST(1 AS BIGINT) AS k", "expected k bigint, v double"),
        ("CAST(1 AS BIGINT) AS k", "it returns k bigint;"),
    ],
)
def test_columns_that_are_not_the_contract_are_refused(bench: Any, columns: str, told: str) -> None:
    rows = bench.parquet("SELECT 1::BIGINT AS k")
    with pytest.raises(EngineError, match=told):
        bench.engine.unload(
            bench.statement(f"SELECT {columns} FROM t"), {"t": rows}, PAIR, str(bench.folder / "o")
        )
    assert list((bench.folder / "o").iterdir()) == []


@pytest.mark.parametrize("order_sensitive", [False, True])
def test_the_same_rows_give_the_same_bytes(bench: Any, order_sensitive: bool) -> None:
    rows = bench.parquet(
        "SELECT (hash(i) % 1000)::BIGINT AS g, sin(i) * 1e10 AS v FROM range(400_000) AS t(i)"
    )
    text = (
        "SELECT CAST(g AS BIGINT) AS k, CAST(sum(v) AS DOUBLE) AS v FROM t GROUP BY g"
        if order_sensitive
        else "SELECT CAST(g AS BIGINT) AS k, CAST(max(v) AS DOUBLE) AS v FROM t GROUP BY g"
    )
    digests = set()
    for attempt in range(3):
        statement = bench.statement(text, order_sensitive=order_sensitive)
        written = bench.engine.unload(statement, {"t": rows}, PAIR, str(bench.folder / f"attempt{attempt}"))
        digests.add(hashlib.sha256(Path(written.files[0].uri).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_texts_of_all_kinds_come_back_equal(bench: Any) -> None:
    texts = [
        "NFC é",
        "NFD e\u0301",
        "שלום",
        "😀",
        "nul\x00inside",
        "007",
        "NULL",
        "",
        " a ",
        "'",
        '"',
        "\\",
        "x" * 100_000,
    ]
    bench.folder.mkdir()
    path = bench.folder / "rows.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (n BIGINT, s VARCHAR)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", list(enumerate(texts)))
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    found = bench.engine.fetch(
        bench.statement("SELECT s FROM t ORDER BY n"), {"t": FileRelation((str(path),))}
    ).rows
    assert [row["s"] for row in found] == texts
    ordered = bench.engine.fetch(
        bench.statement("SELECT s FROM t ORDER BY s"), {"t": FileRelation((str(path),))}
    ).rows
    assert [row["s"] for row in ordered] == sorted(texts)


def test_doubles_come_back_bit_for_bit(bench: Any) -> None:
    values = [5e-324, 2.2250738585072014e-308, 0.1, 1e150, 1.7976931348623157e308, -0.0, math.pi]
    listed = ", ".join(f"CAST('{value!r}' AS DOUBLE)" for value in values)
    rows = bench.parquet(f"SELECT unnest([{listed}]) AS v, generate_subscripts([{listed}], 1) AS n")
    found = bench.engine.fetch(bench.statement("SELECT v FROM t ORDER BY n"), {"t": rows}).rows
    assert [row["v"].hex() for row in found] == [value.hex() for value in values]


def test_a_table_that_was_not_given_is_refused(bench: Any) -> None:
    with pytest.raises(EngineError, match="reads elsewhere, which it was not given"):
        bench.one("SELECT count(*) AS n FROM elsewhere")
    with pytest.raises(EngineError, match="not given"):
        bench.one("SELECT count(*) AS n FROM information_schema.t", t=FileRelation((), columns=PAIR.columns))


def test_a_failing_statement_is_an_engine_error_with_its_name(bench: Any) -> None:
    rows = bench.parquet("SELECT 'x' AS s")
    with pytest.raises(EngineError, match="'x'") as caught:
        bench.one("SELECT CAST(s AS BIGINT) AS n FROM t", t=rows)
    assert caught.value.where == "test"
    assert caught.value.remedy


def test_a_missing_file_is_named(bench: Any) -> None:
    rows = bench.parquet("SELECT 1 AS x")
    gone = str(bench.folder / "gone.parquet")
    for act in (
        lambda: bench.one("SELECT count(*) AS n FROM t", t=FileRelation((*rows.uris, gone))),
        lambda: bench.engine.describe(FileRelation((gone,))),
    ):
        with pytest.raises(SourceMissingError, match=r"gone\.parquet is gone"):
            act()


def test_a_sum_beyond_bigint_is_an_error(bench: Any) -> None:
    rows = bench.parquet("SELECT 9223372036854775807 AS x FROM range(2)")
    with pytest.raises(EngineError):
        bench.one("SELECT CAST(sum(x) AS BIGINT) AS n FROM t", t=rows)


def test_nulls_come_last_in_order(bench: Any) -> None:
    rows = bench.parquet("SELECT unnest(['b', NULL, 'a', 'é', 'Z']) AS s")
    found = bench.engine.fetch(bench.statement("SELECT s FROM t ORDER BY s"), {"t": rows}).rows
    assert [row["s"] for row in found] == ["Z", "a", "b", "é", None]


def test_rows_are_counted_from_footers(bench: Any) -> None:
    one = bench.parquet("SELECT k FROM range(5) AS t(k)", "one.parquet")
    other = bench.parquet("SELECT k FROM range(3) AS t(k) WHERE k > 5", "other.parquet")
    assert bench.engine.stored_rows(FileRelation((*one.uris, *other.uris))) == 5
    assert bench.engine.stored_rows(FileRelation(())) == 0
    text = bench.folder / "text.parquet"
    text.write_text("no Parquet")
    with pytest.raises(SourceUnreadableError, match="parquet"):
        bench.engine.stored_rows(FileRelation((str(text),)))
    with pytest.raises(SourceMissingError, match=r"gone\.parquet"):
        bench.engine.stored_rows(FileRelation((str(bench.folder / "gone.parquet"),)))


def test_a_batch_gives_the_rows_of_each_query(bench: Any) -> None:
    """Also if tables and WITH names of the queries are the same, and the order is not shown."""
    one = bench.parquet("SELECT k, k / 4e0 AS v FROM range(5) AS t(k)", "one.parquet")
    other = bench.parquet("SELECT 'k' || k AS k, NULL::DOUBLE AS v FROM range(3) AS t(k)", "other.parquet")
    texts = (
        "WITH s AS (SELECT * FROM t WHERE k > 0) SELECT CAST(s.k AS BIGINT) AS n, v FROM s ORDER BY s.k DESC",
        "WITH s AS (SELECT k, v FROM t) SELECT upper(s.k) AS n, s.v FROM s ORDER BY length(s.k), s.k DESC",
        "SELECT count(*) AS n FROM t WHERE k > 10",
        "SELECT k AS n FROM t WHERE k > 10 ORDER BY n",
        "SELECT k FROM s ORDER BY v DESC",
    )
    relations = ({"t": one}, {"t": other}, {"t": one}, {"t": one}, {"s": one})
    queries = [Query(bench.statement(text), given) for text, given in zip(texts, relations, strict=True)]
    batch = batched(queries)
    found = batch.split(bench.engine.fetch(batch.statement, batch.relations).rows)
    apart = [tuple(dict(row) for row in bench.engine.fetch(q.statement, q.relations).rows) for q in queries]
    assert list(found) == apart
    assert found[1] == tuple({"n": f"K{k}", "v": None} for k in (2, 1, 0))
    assert [row["n"] for row in found[0]] == [4, 3, 2, 1]
    assert [row["k"] for row in found[4]] == [4, 3, 2, 1, 0]


def test_no_moment_is_rounded_into_the_next_day(bench: Any) -> None:
    # The wire server of Athena reads microseconds; trino/test_athena_texts_on_trino.py has the truth.
    rows = bench.parquet(
        "SELECT TIMESTAMP '2026-03-01 23:59:59.999999' AS plain, "
        "TIMESTAMPTZ '2026-03-01 23:59:59.999999+00' AS zoned"
    )
    types = {column.name: column.type for column in bench.engine.describe(rows)}
    assert types == {"plain": "timestamp", "zoned": "timestamp with time zone"}
    within = "plain < TIMESTAMP '2026-03-02 00:00:00' AND zoned < TIMESTAMP '2026-03-02 00:00:00 UTC'"
    assert bench.one(f"SELECT count(*) AS n FROM t WHERE {within}", t=rows) == 1


@pytest.mark.parametrize(
    ("clusters", "strangers"),
    [
        ("SELECT * FROM (VALUES ('c', 2), ('a', 0), ('b', 1)) AS t(entity, point_id)", 0),
        ("SELECT * FROM (VALUES ('a', 1), ('b', 2), ('c', 0)) AS t(entity, point_id)", 1),
        ("SELECT * FROM (VALUES ('b', 0), ('a', 1), ('c', 2)) AS t(entity, point_id)", 1),
        ("SELECT * FROM (VALUES ('a', 0), ('b', 1), ('c', NULL)) AS t(entity, point_id)", 1),
        ("SELECT * FROM (VALUES ('a', 0), ('b', 1), ('c', 2), ('c', 2)) AS t(entity, point_id)", 1),
    ],
)
def test_entities_that_change_points_are_not_those_of_members(
    bench: Any, clusters: str, strangers: int
) -> None:
    """A hash of a ROW would not tell on Trino: it adds up those of its fields."""
    named = "entity::VARCHAR AS entity, point_id::BIGINT AS point_id"
    members = "SELECT * FROM (VALUES ('a', 0), ('b', 1), ('c', 2)) AS t(entity, point_id)"
    relations = {
        "members": bench.parquet(f"SELECT {named} FROM ({members})", "members/rows.parquet"),
        "clusters": bench.parquet(
            f"SELECT {named}, 0::BIGINT AS cluster, 'core' AS role FROM ({clusters})", "clusters/rows.parquet"
        ),
    }
    structure = {"roles": ("core", "border", "noise"), "has_shared_points": False}
    (row,) = bench.engine.fetch(bind("checks/clusters.sql", structure=structure), relations).rows
    assert int(row["strangers"]) == strangers
