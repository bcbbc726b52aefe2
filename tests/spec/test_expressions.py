"""Expressions of the YAML: valid ones pass unchanged, all others are refused with a remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlglot
import sqlglot.expressions as exp
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.spec.expressions import (
    check_aggregate,
    check_predicate,
    check_row_expression,
    check_table_name,
    check_type,
    columns_of,
    parse_expression,
    split_expressions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[str], str]

ROW_EXPRESSIONS = [
    "src_ip",
    '"Weird Name"',
    '"a.b"',
    '"$$"',
    "time",
    "protocol || '/' || cast(dst_port AS varchar)",
    "'--' || a",
    "CASE WHEN a > 1.5 THEN b ELSE 'none' END",
    "coalesce(a, 'x')",
    "if(a = 1, b, 'c')",
    "regexp_extract(a, 'x+')",
    "date_trunc('hour', t)",
    "a IN (1, 2)",
    "json_extract_scalar(a, '$.b')",
    "tags[1]",
    "cast(a AS decimal(10, 2))",
    "split(a, ',')",
    "split_part(a, ',', 1)",
    "cast(json_parse(a) AS array(varchar))",
    "try_cast(json_parse(a) AS array(bigint))",
]
AGGREGATES = [
    "count(*)",
    "avg(a)",
    "sum(a) / count(*)",
    "max(a) - min(a)",
    "count(DISTINCT a)",
    "sum(a) FILTER (WHERE b > 1)",
    "ln(1 + max(a))",
    "date_diff('second', min(t), max(t))",
    "count_if(a = 'x')",
    "greatest(avg(a), 0.5)",
]
HOSTILE = [
    'a"; DROP TABLE x --',
    "a; DROP TABLE x",
    "a; SELECT 1",
    "(SELECT 1)",
    "a IN (SELECT b FROM c)",
    "EXISTS (SELECT 1)",
    "a = ANY (SELECT 1)",
    "a -- comment",
    "a /* comment */",
    "-- only a comment",
    "raw.a",
    "other.a",
    "a.b.c.d",
    "*",
    "raw.*",
    "a, b",
    "(a, b)",
    "a AS b",
    "a b",
    "?",
    ":a",
    "@a",
    "${a}",
    "{{ a }}",
    "`a`",
    "VALUES (1)",
    "TABLE x",
    "DROP TABLE x",
    "INSERT INTO x SELECT a",
    "SET x = 1",
    "read_csv(a)",
    "read_parquet('/etc/passwd')",
    "read_text('/etc/passwd')",
    "getenv(a)",
    "sleep(a)",
    "nextval(a)",
    "random() + a",
    "rand() + a",
    "uuid() || a",
    "now() > a",
    "current_date > a",
    "current_timestamp > a",
    "current_user || a",
    "unnest(a)",
    "row_number() OVER ()",
    "lag(a) OVER (ORDER BY b)",
    "cast(a AS regclass)",
    "json_parse(a)",
    "cast(json_parse(a) AS varchar)",
    "cast(lower(json_parse(a)) AS array(varchar))",
    "cast((json_parse(a)) AS array(varchar))[1] || json_parse(b)",
    "split(a, '')",
    "split_part(a, '', 1)",
    "$",
    "$$",
    "é",
    "a\x00b",
    "(" * 500 + "a" + ")" * 500,
    "a" * 10_000,
    "",
    "   ",
    "1",
    "'x'",
]


@pytest.mark.parametrize("text", ROW_EXPRESSIONS)
def test_a_row_expression_passes_as_it_is(text: str) -> None:
    assert check_row_expression(text) == text


@pytest.mark.parametrize("text", AGGREGATES)
def test_an_aggregate_passes_as_it_is(text: str) -> None:
    assert check_aggregate(text) == text


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("check", [check_row_expression, check_aggregate])
def test_hostile_text_is_refused(text: str, check: Check) -> None:
    with pytest.raises(ValueError, match=r"\w+"):
        check(text)


@pytest.mark.parametrize("text", ["avg(a)", "count(*)", "a + max(b)"])
def test_aggregates_are_refused_in_a_row(text: str) -> None:
    with pytest.raises(ValueError, match="is an aggregate"):
        check_row_expression(text)
    with pytest.raises(ValueError, match="is an aggregate"):
        check_predicate(text)


def test_a_bare_column_is_refused_as_a_dimension_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"bytes is not an aggregate.*avg\(bytes\)"):
        check_aggregate("bytes")
    with pytest.raises(ValueError, match=r"write avg\(b\)"):
        check_aggregate("avg(a) + b")


@pytest.mark.parametrize("text", ["avg(max(a))", "sum(a) FILTER (WHERE max(b) > 1)", "1", "pi()"])
def test_aggregates_stand_on_one_level(text: str) -> None:
    with pytest.raises(ValueError, match="aggregate"):
        check_aggregate(text)


@pytest.mark.parametrize(
    "text",
    ["array_agg(a)", "max_by(a, b)", "min_by(a, b)", "listagg(a, ',')"],
)
def test_what_depends_on_the_order_of_rows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="order of the rows; use min, max or avg"):
        check_aggregate(text)


@pytest.mark.parametrize("text", ["approx_distinct(a)", "approx_percentile(a, 0.5)"])
def test_approximate_functions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="approximate"):
        check_aggregate(text)


@pytest.mark.parametrize("text", ["read_text(a)", "getenv(a)", "sleep(a)"])
def test_a_function_that_is_not_listed_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an allowed function"):
        check_row_expression(text)


def test_fractions_are_doubles_on_every_engine() -> None:
    assert parse_expression("a * 0.1").sql("athena") == "\"a\" * CAST('0.1' AS DOUBLE)"
    assert parse_expression("0.5").sql("athena") == "CAST('0.5' AS DOUBLE)"
    assert parse_expression("a * 2").sql("athena") == '"a" * 2'


def test_averages_are_of_doubles_on_every_engine() -> None:
    assert parse_expression("avg(a)").sql("athena") == 'AVG(CAST("a" AS DOUBLE))'
    assert parse_expression("avg(DISTINCT a + 1)").sql("athena") == 'AVG(DISTINCT CAST("a" + 1 AS DOUBLE))'


def test_columns_come_in_order_of_appearance() -> None:
    assert columns_of(parse_expression('coalesce(b, a) || b || "C c"')) == ("b", "a", "C c")


def test_expressions_are_split_at_outer_commas() -> None:
    assert split_expressions("avg(a), least(b, 1), 'x,y'") == ["avg(a)", "least(b, 1)", "'x,y'"]
    with pytest.raises(ValueError, match="empty part"):
        split_expressions("avg(a),")


@pytest.mark.parametrize("name", ["t", "lake.events", "cat.lake.events", "my-db.t_1"])
def test_table_names(name: str) -> None:
    assert check_table_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "a.", "a b", 'a"b', "a;b", "a.b.c.d", "../x", "a'b", "f('x')", "a\n"]
)
def test_other_table_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a table name"):
        check_table_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("VARCHAR", "varchar"),
        ("string", "varchar"),
        ("varchar(10)", "varchar"),
        ("int", "integer"),
        ("Decimal(10, 2)", "decimal(10,2)"),
        ("decimal(5)", "decimal(5,0)"),
        ("timestamp(3)", "timestamp"),
        ("timestamp(6)  with time zone", "timestamp with time zone"),
        ("array<int>", "array(integer)"),
        ("array(array(double))", "array(array(double))"),
    ],
)
def test_types_have_one_spelling(text: str, name: str) -> None:
    assert check_type(text) == name
    assert check_type(name) == name


@pytest.mark.parametrize(
    "text", ["", "text1", "decimal(50,2)", "decimal(5,6)", "array(x)", "varchar; drop", "int)"]
)
def test_other_types_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a column type"):
        check_type(text)


WORDS = r"""
    a b "x y" 'text' 1 0.5 , ; ( ) || + - * / % = <> < > . : ? @ -- /* */ " ' ` [ ] { } $ # & | ~ ! \
    avg( count(*) max( sum( cast(a as varchar) case when then else end select from where union all exists in
    not null is and or between like over partition by order limit values table drop insert with as distinct
    filter (where unnest( read_csv( random() now() current_date interval '1' day raw. t. array[ row( map(
    lateral join on using at time zone within group tablesample pivot for if( coalesce( é
    u&'\0041' x'ff' $$ E'\'' N'a' ''' "
"""
FRAGMENTS = st.sampled_from([*WORDS.split(), "\u2028", "\n"])
TEXTS = st.one_of(
    st.lists(FRAGMENTS, max_size=12).map(" ".join),
    st.text(max_size=30),
    st.tuples(st.sampled_from(ROW_EXPRESSIONS + AGGREGATES), st.lists(FRAGMENTS, max_size=4)).map(
        lambda parts: parts[0] + " ".join(parts[1])
    ),
)


@given(TEXTS, st.sampled_from([check_row_expression, check_aggregate, check_predicate]))
def test_what_passes_is_one_expression_over_raw(text: str, check: Check) -> None:
    try:
        check(text)
    except ValueError:
        return
    query = exp.select(parse_expression(text).as_("value")).from_("raw")
    for dialect in ("athena", "duckdb"):
        trees = sqlglot.parse(query.sql(dialect), read=dialect)
        assert len(trees) == 1
        tree = trees[0]
        assert isinstance(tree, exp.Select)
        assert len(tree.expressions) == 1
        assert [table.sql() for table in tree.find_all(exp.Table)] == ["raw"]
        assert list(tree.find_all(exp.Query)) == [tree]
        assert not list(tree.find_all(exp.Placeholder, exp.Parameter, exp.Command, exp.Window))
        assert set(columns_of(tree)) <= set(columns_of(parse_expression(text))) | {"value"}


@pytest.mark.parametrize("text", ["any_value(a)", "arbitrary(a)"])
def test_any_value_is_the_least_one(text: str) -> None:
    assert parse_expression(text).sql("athena") == 'MIN("a")'
