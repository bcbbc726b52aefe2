"""What an expression of the YAML becomes in a statement, by the types of the columns it reads."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot.expressions as exp

from cluster_assets.backends.statements import bind
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.spec.expressions.types import type_of
from cluster_assets.stages.points.kinds.values import fitted

SCHEMA = {
    "s": "varchar", "n": "bigint", "d": "double", "r": "real", "tags": "array(varchar)",
    "codes": "array(double)", "lists": "array(array(bigint))", "pair": "row(a integer[], b varchar)",
    "pairs": "map(varchar, bigint)",
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("tags", "ARRAY(VARCHAR)"), ("split(s, ',')", "ARRAY(VARCHAR)"), ("tags[1]", "VARCHAR"),
        ("array_distinct(codes)", "ARRAY(DOUBLE)"), ("array_max(codes)", "DOUBLE"),
        ("tags || tags", "ARRAY(VARCHAR)"), ("concat(s, '/', s)", "VARCHAR"), ("s || s", "VARCHAR"),
        ("reverse(tags)", "ARRAY(VARCHAR)"), ("coalesce(tags, split(s, ' '))", "ARRAY(VARCHAR)"),
        ("if(n > 1, tags, tags)", "ARRAY(VARCHAR)"), ("array_join(tags, ',')", "VARCHAR"),
        ("cardinality(tags)", "BIGINT"), ("lists[1]", "ARRAY(BIGINT)"), ("split(s, ',')[1]", "VARCHAR"),
        ("cast(json_parse(s) AS array(double))", "ARRAY(DOUBLE)"), ("max(tags)", "ARRAY(VARCHAR)"),
        ("d + n", "DOUBLE"), ("max(d)", "DOUBLE"), ("n", "BIGINT"), ("r", "REAL"), ("unknown", "UNKNOWN"),
        ("pairs", "MAP(VARCHAR, BIGINT)"),
    ],
)  # fmt: skip
def test_types_of_expressions(text: str, kind: str) -> None:
    assert type_of(parse_expression(text), SCHEMA).sql("athena") == kind


def test_a_row_of_types_that_athena_lacks_is_a_row() -> None:
    assert type_of(parse_expression("pair"), SCHEMA).this is exp.DType.STRUCT


def test_a_list_is_unnested_beside_its_row_in_each_dialect() -> None:
    expressions = {
        "is_of_day": exp.true(), "entity": exp.column("s", table="raw"),
        "value": fitted(exp.column("tags", table="raw"), "array(varchar)", SCHEMA, "features.set"),
    }  # fmt: skip
    tree = bind("points/features/set.sql", structure={"lists": (0,)}, expressions=expressions).tree
    for dialect in ("athena", "trino", "duckdb"):
        assert "LEFT JOIN UNNEST(raw.tags) AS t(token) ON TRUE" in tree.sql(dialect)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100", "100"), ("-0.0", "0"), ("-7", "-7"), ("2.5", "2.5"), ("9007199254740993", "9007199254740992"),
        ("1e18", "1000000000000000000"), ("1e19", "1e+19"), ("'NaN'", "nan"), ("'-inf'", "-inf"),
        ("NULL", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("expression", ["d", "cast(d AS varchar)", "max(d)", "coalesce(d, d)"])
def test_a_whole_double_is_spelled_like_a_whole_number(value: str, text: str | None, expression: str) -> None:
    tree = fitted(parse_expression(expression), "varchar", SCHEMA, "entity")
    query = f"SELECT CAST({tree.sql('duckdb')} AS VARCHAR) FROM (SELECT CAST({value} AS DOUBLE) AS d)"
    assert duckdb.sql(query).fetchall() == [(text,)]


@pytest.mark.parametrize("expression", ["s", "n", "cast(n AS varchar) || s", "tags[1]"])
def test_what_is_no_double_stays_as_it_is(expression: str) -> None:
    tree = parse_expression(expression)
    assert fitted(tree.copy(), "varchar", SCHEMA, "entity") == tree


def test_each_double_of_a_list_is_spelled_so() -> None:
    tree = fitted(parse_expression("codes"), "array(varchar)", SCHEMA, "features.set")
    query = f"SELECT {tree.sql('duckdb')} FROM (SELECT [100.0::DOUBLE, NULL, 2.5] AS codes)"
    assert duckdb.sql(query).fetchall() == [(["100", None, "2.5"],)]
