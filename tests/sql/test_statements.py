"""Every file under sql/ keeps the rules that let three engines give the same rows."""

from __future__ import annotations

import re

import pytest
import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel

from cluster_assets.backends.duckdb.sql import _drop_finish
from cluster_assets.backends.statements import SQL_ROOT, _environment, bind, count_of, literal, sources_of
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics import gower
from cluster_assets.stages.candidates.metrics.dense_cells import directed_steps
from cluster_assets.stages.candidates.metrics.grids import half_neighbourhood
from cluster_assets.stages.candidates.metrics.levenshtein import rules

FILES = sorted(str(path.relative_to(SQL_ROOT)) for path in SQL_ROOT.rglob("*.sql"))
STRUCTURE = {
    "dimensions": 2,
    "axes": 2,
    "steps": half_neighbourhood(2),
    "cells": "candidates/grid/cells/vector.sql",
    "metric": "euclidean",
    "box_metric": "euclidean",
    "carried": ("x0", "x1"),
    "axis_columns": ("x0", "x1"),
    "all_core": False,
    "directed_steps": directed_steps("euclidean", 2),
    "directions": ((("+", "x0"),), (("+", "x0"), ("-", "x1"))),
    "reasons": ("is_null", "is_nan"),
    "columns": ("x0", "x1"),
    "types": ("double", "double"),
    "is_array": False,
    "lists": (),
    "bands": ((((3, "+"), (7, "-")), ((1, "-"),)),),
    "coefficients": (((3, 1), (5, 2)), ((7, 3), (9, 4))),
    "scaled": True,
    "with_remembered": True,
    "has_probability": True,
    "weighted": True,
    "has_faces": True,
    "is_geo": True,
    "days_back": (0, 1),
    "events": ("born", "died"),
    "formats": 2,
    "has_kept": True,
    "has_blocks": True,
    "min_is_share": True,
    "max_is_share": False,
}
_MIXED = metrics.Comparison(
    "mixed",
    "gower",
    0.3,
    (),
    (
        metrics.Part("n", "number", 1.0), metrics.Part("c", "category", 1.0), metrics.Part("s", "set", 1.0),
        metrics.Part("t", "text", 1.0), metrics.Part("g", "geo", 1.0),
    ),
)  # fmt: skip
_FEATURES = gower.features_of(_MIXED)
# What differs from the above for one file.
OWN_STRUCTURE: dict[str, dict[str, object]] = {
    "checks/drift.sql": {"days": 2},
    "checks/clusters.sql": {"roles": ("core", "border", "noise"), "has_shared_points": True},
    "points/histograms.sql": {
        "columns": ("n", "m", "s", "t", "c", "la", "lo"),
        "numbers": ("n", "m"),
        "sets": ("s",),
        "texts": ("t",),
        "categories": ("c",),
        "places": (("g", "la", "lo"),),
        "embeddings": (),
    },
    "candidates/texts/lengths.sql": {"rules": rules(2, (0, 1, 4)), "runs": 3},
    "candidates/texts/candidates.sql": {"rules": rules(2, (0, 1, 4)), "runs": 3},
    "candidates/mixed/candidates.sql": {"parts": _FEATURES, "routes": gower.routes_of(_FEATURES, 0.3)},
    "candidates/mixed/comparisons.sql": {"parts": _FEATURES, "routes": gower.routes_of(_FEATURES, 0.3)},
    "candidates/mixed/ranges.sql": {"numbers": ("n",)},
    "profiles/ranges.sql": {"numbers": ("n",)},
    "candidates/mixed/tokens.sql": {"sets": ((2, "s"),)},
    "report/sampled.sql": {"columns": (("n", "double"), ("s", "array(varchar)"), ("e", "array(double)"))},
    "points/features/mixed.sql": {"columns": (("n", "double"), ("s", "array(varchar)"), ("c", "varchar"))},
    "profiles/values.sql": {
        "parts": (
            {"kind": "token", "column": "s", "is_set": True},
            {"kind": "text", "column": "t", "is_set": False},
        )
    },
    "profiles/places.sql": {"parts": ({"latitude": "g_latitude", "longitude": "g_longitude"},)},
    "profiles/sizes.sql": {"parts": (("s", False), ("t", True))},
}
FILLED_FROM_A_CHECKED_TABLE = {
    "candidates/sampled_points.sql",
    "clusters/bin_points.sql",
    "profiles/bin_points.sql",
    "explore/sampled.sql",
    "report/sketched.sql",
}
PARTS = {name for name in FILES if "/cells/" in name}
BANNED = (
    exp.Rand, exp.Uuid, exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.ApproxDistinct,
    exp.ApproxQuantile, exp.AnyValue, exp.ArgMax, exp.ArgMin, exp.Format, exp.Limit, exp.Offset,
    exp.TableSample,
)  # fmt: skip


def text_of(name: str) -> str:
    structure = {**STRUCTURE, **({"axes": 3, "steps": half_neighbourhood(3)} if "haversine" in name else {})}
    return _environment().get_template(name).render({**structure, **OWN_STRUCTURE.get(name, {})})


def tree_of(name: str) -> exp.Query:
    trees = sqlglot.parse(text_of(name), read="athena")
    assert len(trees) == 1
    tree = trees[0]
    assert isinstance(tree, exp.Query)
    return tree


def test_there_are_files() -> None:
    assert len(FILES) >= 15


@pytest.mark.parametrize("name", FILES)
def test_one_query_that_other_dialects_read(name: str) -> None:
    tree = tree_of(name)
    for placeholder in list(tree.find_all(exp.Placeholder)):
        placeholder.replace(literal(1))
    for dialect in ("athena", "trino", "duckdb"):
        if dialect == "duckdb":  # as the engine does
            for node in tree.find_all(exp.Reduce):
                _drop_finish(node)
        text = tree.sql(dialect, unsupported_level=ErrorLevel.RAISE)
        assert len(sqlglot.parse(text, read=dialect)) == 1


@pytest.mark.parametrize("name", FILES)
def test_no_function_that_gives_another_answer_elsewhere(name: str) -> None:
    tree = tree_of(name)
    assert not list(tree.find_all(*BANNED))
    assert not [star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count)]
    # A number with a fraction would be a DECIMAL in Athena: write DOUBLE '0.5'.
    assert not [
        number for number in tree.find_all(exp.Literal) if number.is_number and not number.name.isdigit()
    ]
    assert not list(tree.find_all(exp.Subquery)) or all(
        isinstance(query.this, exp.Values) for query in tree.find_all(exp.Subquery)
    )


@pytest.mark.parametrize("name", sorted(set(FILES) - PARTS - FILLED_FROM_A_CHECKED_TABLE))
def test_every_output_column_is_cast_and_named(name: str) -> None:
    for column in tree_of(name).expressions:
        assert isinstance(column, exp.Alias), column.sql()
        assert isinstance(column.this, exp.Cast), column.sql()


@pytest.mark.parametrize("name", FILES)
def test_windows_stay_within_ranges(name: str) -> None:
    for window in tree_of(name).find_all(exp.Window):
        small = isinstance(window.this, exp.Sum)  # the running total over the few ranges
        assert small or window.args.get("partition_by"), window.sql()
        assert window.args.get("order")


@pytest.mark.parametrize("name", FILES)
def test_the_header_tells_what_it_fills_reads_and_takes(name: str) -> None:
    header = (SQL_ROOT / name).read_text(encoding="utf-8")
    assert header.startswith("-- Fills: ")
    tree = tree_of(name)
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = {table.name for table in tree.find_all(exp.Table)} - local
    reads = re.search(r"^-- Reads: (.*)$", header, re.MULTILINE)
    assert reads is not None
    assert tables == set(re.findall(r"\w+", re.sub(r"\(.*\)", "", reads[1])))
    comment = "\n".join(line for line in header.splitlines() if line.startswith("--"))
    for placeholder in tree.find_all(exp.Placeholder):
        first = re.sub(r"\d+(_\d+)?$", "0", placeholder.name)  # ":weight0, :weight1, ..." names them all
        named = any(f":{name}" in comment for name in (placeholder.name, first)) or (
            "one condition" in comment and "is_" in placeholder.name
        )
        assert named, placeholder.name


@pytest.mark.parametrize("name", [name for name in FILES if re.match(r"candidates/\w+/candidates", name)])
def test_blocking_rules_carry_their_proof(name: str) -> None:
    assert "Proof that no pair is lost" in (SQL_ROOT / name).read_text(encoding="utf-8")


def test_sums_of_doubles_are_marked() -> None:
    parameters = {"is_of_day": exp.true(), "entity": exp.column("a")}
    assert bind(
        "points/features/vector.sql", structure={"dimensions": 0}, expressions=parameters
    ).order_sensitive
    assert not bind("clusters/clusters.sql", structure={"has_probability": False}).order_sensitive


RAW_PARAMETERS: dict[str, exp.Expr] = {
    "is_read": exp.true(),
    "one": exp.Literal.number(1),
    "entity": exp.column("a"),
}


def test_missing_and_unused_parameters_are_errors() -> None:
    with pytest.raises(ValueError, match=r"missing parameters \['entity'\]"):
        bind("raw/counts.sql", expressions={"is_read": exp.true(), "one": exp.Literal.number(1)})
    with pytest.raises(ValueError, match=r"unused parameters \['more'\]"):
        bind("raw/counts.sql", expressions=RAW_PARAMETERS, values={"more": 1})
    with pytest.raises(ValueError, match="both"):
        bind("raw/counts.sql", expressions=RAW_PARAMETERS, values={"entity": 1})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "CAST('0.1' AS DOUBLE)"),
        (1e-300, "CAST('1e-300' AS DOUBLE)"),
        (7, "CAST('7' AS BIGINT)"),
        (True, "TRUE"),
        ("it's", "'it''s'"),
        ("a\\'; DROP TABLE x --", "'a\\''; DROP TABLE x --'"),
    ],
)
def test_literals_are_typed(value: object, text: str) -> None:
    assert literal(value).sql("athena") == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, b"x"])
def test_other_values_have_no_literal(value: object) -> None:
    with pytest.raises(ValueError, match="no SQL literal"):
        literal(value)


def test_binding_leaves_the_template_as_it_was() -> None:
    first = bind("raw/counts.sql", expressions=RAW_PARAMETERS).tree.sql("athena")
    bind("raw/counts.sql", expressions=RAW_PARAMETERS | {"is_read": exp.false()})
    assert bind("raw/counts.sql", expressions=RAW_PARAMETERS).tree.sql("athena") == first


def test_sources_leave_out_the_statements_own_names() -> None:
    statement = bind("clusters/clusters.sql", structure={"has_probability": False})
    assert sources_of(statement) == ("labels", "members")
    assert sources_of(count_of(statement)) == ("labels", "members")
