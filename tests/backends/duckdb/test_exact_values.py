"""Values of CSV and JSON files arrive as Python's csv and json modules read them, in whatever row."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import EngineError, SourceSchemaError, SourceUnreadableError
from cluster_assets.domain.text_files import NO_USE, Use
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.kinds import needed_columns
from cluster_assets.stages.raw.files import check_columns, list_source_files, source_relation
from tests.backends.duckdb.text_relations import LATE, files, rows, written

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXTS = [
    "#N/A",
    "#ff0000",
    "'a'",
    "'b",
    "c'",
    '5" nail',
    "a,b",
    "a\nb",
    " x ",
    "02134",
    "1.50",
    "TRUE",
    "10-11-12",
]


def late(value: object, kind: str, early: object = 0) -> str:
    """A file whose last row holds another value than all rows before."""
    if kind == "csv":
        return "id,v\n" + f"a,{early}\n" * LATE + f"b,{value}\n"
    before = json.dumps({"id": "a", "v": early}) + "\n"
    return before * LATE + json.dumps({"id": "b", "v": value}) + "\n"


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize(
    ("early", "value"), [(0, 0.4), (49, 48.8566), (0, 1e-07), (0.5, 2**53), (1, 2**62), (0.5, 2**60)]
)
def test_a_late_number_is_the_number_that_is_written(
    bench: Any, kind: str, early: float, value: float
) -> None:
    found = rows(bench, files(bench, late(value, kind, early), kind, id=Use.TEXT, v=Use.NUMBER))
    assert found[-1] == ("b", value)
    assert found[0] == ("a", early)


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("value", [2**53 + 1, 10**40 + 1])
def test_a_whole_number_that_a_double_would_round_is_refused(bench: Any, kind: str, value: int) -> None:
    relation = files(bench, late(value, kind, 0.5), kind, id=Use.TEXT, v=Use.NUMBER)
    with pytest.raises(SourceSchemaError, match=str(value)) as caught:
        rows(bench, relation)
    line = LATE + (2 if kind == "csv" else 1)
    assert caught.value.where == f"{relation.uris[0]}, line {line}, column v"


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("value", ["02134", "1.50", "10-11-12", "TRUE", "12345678901234567890", "N/A", "0.0"])
def test_a_text_is_the_text_that_is_written(bench: Any, kind: str, value: str) -> None:
    relation = files(bench, late(value, kind, "1"), kind, id=Use.TEXT, v=Use.TEXT | Use.ORDERED)
    assert rows(bench, relation)[-1] == ("b", value)
    assert bench.one("SELECT max(t.v) AS v FROM t", t=relation) == max("1", value)


@pytest.mark.parametrize("early", ["2026-01-01 10:00:00", "2026-01-01", "2026-01-01T10:00:00Z"])
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_late_offset_is_applied(bench: Any, kind: str, early: str) -> None:
    relation = files(bench, late("2026-01-01T23:30:00-05:00", kind, early), kind, v=NO_USE)
    assert rows(bench, relation)[-1] == (dt.datetime(2026, 1, 2, 4, 30, tzinfo=dt.UTC),)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "-2"], "bigint"), (["1", "1.5"], "double"), (["1e3", ".5", "5."], "double"),
        (["007", "8"], "varchar"), (["+5"], "varchar"), (["1_000"], "varchar"), (["0x1F"], "varchar"),
        (["1e400"], "varchar"), (["9007199254740993", "0.5"], "varchar"), (["true", "FALSE"], "boolean"),
        (["yes"], "varchar"), (["2026-01-01"], "date"), (["2026-02-30"], "varchar"),
        (["10-11-12"], "varchar"),
        (["2026-01-01", "2026-01-01T10:00"], "timestamp"), (["2026-01-01 10:00:00.1234567"], "varchar"),
        (["2026-01-01T10:00:00.120Z"], "timestamp with time zone"),
        (["2026-01-01 10:00:00", "2026-01-01 10:00:00+02"], "timestamp with time zone"),
        (["2026-01-01 10:00:00 PM"], "varchar"), (["infinity"], "double"), (["1", "a"], "varchar"),
    ],
)  # fmt: skip
def test_the_type_holds_for_every_value(bench: Any, values: list[str], kind: str) -> None:
    relation = files(bench, "v,w\n" + "".join(f'"{value}",\n' for value in values))
    assert check_columns(bench.engine, relation, ("v",), {})["v"] == kind


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("others", [[], ["1.5"], ["100000000000000000000"]])
def test_a_number_may_be_spelled_in_any_way(bench: Any, kind: str, others: list[str]) -> None:
    texts = ["007", "+5", " 5 ", "-0", *others]
    if others:
        texts += ["1e3", ".5", "5.", "1E-7", "inf", "1E+2"]
    lines = [f'"{text}"' if kind == "csv" else json.dumps({"v": text}) for text in texts]
    text = "\n".join([*(["v"] if kind == "csv" else []), *lines])
    for early in (0, LATE):
        before = ("1\n" if kind == "csv" else '{"v": 1}\n') * early
        late_text = text.replace("v\n", "v\n" + before, 1) if kind == "csv" else before + text
        found = rows(bench, files(bench, late_text, kind, v=Use.NUMBER))
        assert [float(value) for (value,) in found[early:]] == [float(one) for one in texts]


@pytest.mark.parametrize("value", ["abc", "1_000", "1,5", "0x1F", "true", "2026-01-01"])
def test_what_is_no_number_is_named_with_its_line(bench: Any, value: str) -> None:
    text = f'id,v\n"two\nlines",1\nb,"{value}"\n'
    with pytest.raises(SourceSchemaError) as caught:
        rows(bench, files(bench, text, v=Use.NUMBER))
    assert repr(value) in caught.value.what
    assert "a.csv, line 4, column v" in str(caught.value.where)
    assert "try_cast" in str(caught.value.remedy)


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("value", ["1e400", "-1.5E+400", "9" * 400])
def test_a_number_beyond_a_double_is_named_as_such(bench: Any, kind: str, value: str) -> None:
    text = (
        f"id,v\na,1\nb,{value}\n"
        if kind == "csv"
        else f'{{"id": "a", "v": 1}}\n{{"id": "b", "v": {value}}}\n'
    )
    with pytest.raises(SourceSchemaError, match="is beyond the largest double") as caught:
        rows(bench, files(bench, text, kind, id=Use.TEXT, v=Use.NUMBER))
    assert repr(value) in caught.value.what
    assert f"a.{kind}, line {3 if kind == 'csv' else 2}, column v" in str(caught.value.where)


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        ("1,234.5", ","),
        ("-1'234'567", "'"),
        ("1\u00a0234", "\u00a0"),
        ("50%", "%"),
        ("$5", "$"),
        ("5.5€", "€"),
    ],
)
def test_a_sign_that_keeps_a_value_from_being_a_number_is_dropped_by_the_remedy(
    bench: Any, value: str, sign: str
) -> None:
    text = f'id,v\na,"{value}"\n'
    with pytest.raises(SourceSchemaError) as caught:
        rows(bench, files(bench, text, v=Use.NUMBER))
    expression = str(caught.value.remedy).partition("; ")[2].partition(" drops")[0]
    found = bench.one(
        f"SELECT {expression.replace('(v,', '(t.v,')} AS v FROM t", t=files(bench, text, v=Use.TEXT)
    )
    assert found == float(value.replace(sign, ""))


@pytest.mark.parametrize("value", ["1,5", "1,2,3", "1,23,456", "5 EUR", "%", "$", "1_000,5"])
def test_no_sign_is_dropped_from_other_values(bench: Any, value: str) -> None:
    with pytest.raises(SourceSchemaError) as caught:
        rows(bench, files(bench, f'id,v\na,"{value}"\n', v=Use.NUMBER))
    assert " drops " not in str(caught.value.remedy)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_value_that_an_expression_cannot_cast_is_named_with_its_line(bench: Any, kind: str) -> None:
    text = "id,v\na,1\nb,x7\n" if kind == "csv" else '{"id": "a", "v": "1"}\n\n{"id": "b", "v": "x7"}\n'
    relation = files(bench, text, kind, id=Use.TEXT, v=NO_USE)
    with pytest.raises(SourceUnreadableError, match="x7") as caught:
        bench.one("SELECT sum(CAST(t.v AS double)) AS v FROM t", t=relation)
    assert caught.value.where == f"{relation.uris[0]}, line 3, column v"


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_text_of_the_expression_itself_is_not_blamed_on_the_file(bench: Any, kind: str) -> None:
    text = "id,v\na,1\n" if kind == "csv" else '{"id": "a", "v": 1}\n'
    query = "SELECT max(CAST(coalesce(nullif(t.id, 'a'), 'none') AS bigint)) AS v FROM t"
    with pytest.raises(EngineError, match="converts its own text 'none', which no column holds"):
        bench.one(query, t=files(bench, text, kind, id=Use.TEXT, v=Use.NUMBER))
    held = files(bench, text.replace("a,", "none,").replace('"a"', '"none"'), kind, id=Use.TEXT, v=Use.NUMBER)
    with pytest.raises(SourceUnreadableError, match="none") as caught:
        bench.one(query, t=held)
    assert "column id" in str(caught.value.where)


@pytest.mark.parametrize(
    ("value", "kind"),
    [(str(2**53 + 1), "decimal(38,10)"), ("1" * 30, "decimal(38,8)"), ("1" * 38, "decimal(38,0)")],
)
def test_the_declaration_for_a_large_whole_number_holds_it(bench: Any, value: str, kind: str) -> None:
    text = f"id,v\na,{value}\nb,0.5\n" if kind != "decimal(38,0)" else f"id,v\na,{value}\n"
    with pytest.raises(SourceSchemaError, match="a double would round") as caught:
        rows(bench, files(bench, text, id=Use.TEXT, v=Use.NUMBER))
    assert f"raw.columns: {{v: {kind}}}" in str(caught.value.remedy)
    declared = replace(files(bench, text, id=Use.TEXT, v=Use.NUMBER), types={"v": kind})
    assert rows(bench, declared)[0] == ("a", Decimal(value))


def test_a_whole_number_that_no_type_holds_is_a_text(bench: Any) -> None:
    with pytest.raises(SourceSchemaError, match="a double would round") as caught:
        rows(bench, files(bench, f"id,v\na,{'1' * 39}\n", id=Use.TEXT, v=Use.NUMBER))
    assert str(caught.value.remedy).startswith("declare raw.columns: {v: varchar} and write try_cast(v AS")


def test_a_list_is_no_number(bench: Any) -> None:
    with pytest.raises(SourceSchemaError, match=r"(?s)'\[1,2\]'.*not a number.*line 2"):
        rows(bench, files(bench, '{"v": null}\n{"v": [1, 2]}\n', "json", v=Use.NUMBER))


def test_a_declared_array(bench: Any) -> None:
    uri = written(bench, "a.json", '{"v": [1, 2.5]}\n{"v": null}\n')
    relation = FileRelation((uri,), "json", {"v": "array(double)"}, uses={"v": NO_USE})
    assert rows(bench, relation) == [([1.0, 2.5],), (None,)]


def test_a_column_named_twice_is_refused_where_it_is_needed(bench: Any) -> None:
    text = "id,v,V,w,w\na,1,2,3,4\n"
    assert rows(bench, files(bench, text, id=Use.TEXT)) == [("a",)]
    with pytest.raises(SourceSchemaError, match=r"(?s)names the column V twice.*line 1"):
        rows(bench, files(bench, text, v=Use.NUMBER))


def test_text_and_number_at_once(bench: Any) -> None:
    """Fine where the number is printed as it was written; else the pipeline must say what it means."""
    both = Use.TEXT | Use.NUMBER
    assert rows(bench, files(bench, "v,w\n5,\n12345678901234567,\n", v=both)) == [(5,), (12345678901234567,)]
    for value in ("05", "1.50", "x"):
        with pytest.raises(SourceSchemaError, match=r"(?s)text and as a number.*line 3.*try_cast"):
            rows(bench, files(bench, f"v,w\n5,\n{value},\n", v=both))


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("bigint", ["1", "007", "5.0", "1e3", "9007199254740993"], ["1.5", "abc", "9223372036854775808"]),
        ("smallint", ["1", "-32768"], ["32768"]),
        ("double", ["1", "1.5", "1e-7", "9007199254740992"], ["9007199254740993", "abc", "1e400"]),
        ("real", ["1", "0.1"], ["16777217"]),
        ("decimal(10,2)", ["1.50", "2"], ["1.505", "123456789.1"]),
        ("boolean", ["true", "FALSE"], ["maybe"]),
        ("date", ["2026-01-01"], ["10-11-12", "2026-01-01 10:00:00"]),
        ("timestamp", ["2026-01-01", "2026-01-01T10:00:00Z", "2026-01-01 10:00"], ["10-11-12", "x"]),
    ],
)
def test_declared_types_refuse_what_they_would_round(
    bench: Any, kind: str, good: list[str], bad: list[str]
) -> None:
    for value in good:
        uri = written(bench, "a.csv", f"v,w\n,\n{value},\n")
        relation = FileRelation((uri,), "csv", {"v": kind}, uses={"v": NO_USE})
        assert bench.one("SELECT count(t.v) AS n FROM t", t=relation) == 1
    for value in bad:
        uri = written(bench, "a.csv", f"v,w\n,\n{value},\n")
        relation = FileRelation((uri,), "csv", {"v": kind}, uses={"v": NO_USE})
        with pytest.raises(
            SourceUnreadableError, match=r"(?s)a\.csv, line 3, column v.*raw\.columns"
        ) as caught:
            bench.one("SELECT count(t.v) AS n FROM t", t=relation)
        assert repr(value) in caught.value.what


def test_a_declared_timestamp_is_the_utc_time(bench: Any) -> None:
    uri = written(bench, "a.csv", "v,w\n2026-01-01T23:30:00-05:00,\n")
    relation = FileRelation((uri,), "csv", {"v": "timestamp"})
    assert str(bench.one("SELECT t.v AS v FROM t", t=relation)) == "2026-01-02 04:30:00"


def test_fields_are_those_of_pythons_reader(bench: Any) -> None:
    table = [[text, other] for text in TEXTS for other in TEXTS] * 3
    for end in ("\n", "\r\n"):
        out = io.StringIO()
        csv.writer(out, lineterminator=end).writerows([["id", "v"], *table])
        found = rows(bench, files(bench, out.getvalue(), id=Use.TEXT, v=Use.TEXT))
        assert found == [tuple(row) for row in table]


def test_a_first_quoted_field_after_the_sample(bench: Any) -> None:
    text = "id,v\n" + "a,1\n" * LATE + '"5"" nail",2\n"x,\ny",3\n'
    found = rows(bench, files(bench, text, id=Use.TEXT, v=Use.NUMBER))
    assert found[LATE:] == [('5" nail', 2), ("x,\ny", 3)]


FIELD = st.text(st.sampled_from("ab'\"#,;\n 0.1é"), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8), end=st.sampled_from(["\n", "\r\n"]))
def test_any_table_is_read_as_it_was_written(bench: Any, table: list[tuple[str, str]], end: str) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows([("id", "v"), *table])
    assert rows(bench, files(bench, out.getvalue(), id=Use.TEXT, v=Use.TEXT)) == table


def test_keys_first_seen_late_are_there(bench: Any) -> None:
    text = '{"id": "a"}\n' * LATE + '{"id": "b", "late": 1.5, "deep": {"x": 1}}\n'
    relation = files(bench, text, "json", id=Use.TEXT, late=Use.NUMBER)
    assert set(check_columns(bench.engine, relation, ("id", "late"), {})) == {"id", "late"}
    assert rows(bench, relation)[-1] == ("b", 1.5)


def test_a_whole_number_in_an_object_of_many_keys(bench: Any) -> None:
    wide = {f"k{number}": number + 0.5 for number in range(200)} | {"v": 2**53 + 1, "id": "a"}
    relation = files(bench, json.dumps(wide) + "\n", "json", id=Use.TEXT, v=Use.NUMBER)
    assert rows(bench, relation) == [("a", 2**53 + 1)]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_json_file_may_be_one_array(bench: Any, indent: int | None) -> None:
    objects: list[Mapping[str, Any]] = [{"id": "a", "v": 1}, {"id": "ü", "v": 2.5, "more": [1]}, {"id": "02"}]
    text = json.dumps(objects, indent=indent)
    relation = files(bench, text, "json", id=Use.TEXT, v=Use.NUMBER)
    assert rows(bench, relation) == [(one["id"], one.get("v")) for one in objects]


def test_lists_of_json_files_are_arrays(bench: Any) -> None:
    text = '{"e": [1, 2.5], "s": ["a", "b"]}\n{"e": [], "s": null}\n{"e": [3], "s": ["c"]}\n'
    relation = files(bench, text, "json", e=Use.VALUE, s=Use.TEXT)
    schema = check_columns(bench.engine, relation, ("e", "s"), {})
    assert schema == {"e": "array(double)", "s": "array(varchar)"}
    assert rows(bench, relation) == [([1.0, 2.5], ["a", "b"]), ([], None), ([3.0], ["c"])]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_pipeline_computes_with_late_values(bench: Any, kind: str) -> None:
    """The issue's own case: `b` has 0.4, not 0, and a category is what is written."""
    early, late_row = ("a{}", "2026-01-01", 0, "1.5"), ("b", "2026-01-01", 0.4, "1.50")
    table = [(early[0].format(number % 5), *early[1:]) for number in range(LATE)] + [late_row]
    names = ("id", "at", "v", "tag")
    lines = (
        [",".join(names), *(",".join(map(str, row)) for row in table)]
        if kind == "csv"
        else [json.dumps(dict(zip(names, row, strict=True))) for row in table]
    )
    uri = written(bench, f"a.{kind}", "\n".join(lines) + "\n")
    mixed = {"v": {"number": "max(v)"}, "tag": {"category": "max(tag)"}}
    spec = PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": "2026-01-01",
            "raw": {"files": uri, "time_column": "at"},
            "entity": "id",
            "features": {"mixed": mixed},
            "distance": {"metric": "gower", "threshold": 0.5},
            "algorithm": {"type": "dbscan"},
        }
    )
    source = source_relation(spec.raw, spec, list_source_files(uri, root=bench.folder, environment={}))
    schema = check_columns(bench.engine, source, needed_columns(spec), {})
    plan = features.plan(spec, parse_day("2026-01-01"), schema)
    found = bench.engine.fetch(plan.features, {"raw": source}).rows
    values = {row["entity"]: (row["v"], row["tag"]) for row in found}
    assert values == {f"a{number}": (0.0, "1.5") for number in range(5)} | {"b": (0.4, "1.50")}
