"""From raw rows to features: sets, vectors, places, what is invalid, and which tokens count."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.domain.scratch_tables import FREQUENCIES, features_contract
from cluster_assets.domain.tables import Column, points_contract
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features

DAY = parse_day("2026-03-01")
RAW = (
    Column("at", "timestamp"),
    Column("who", "varchar"),
    Column("Some value", "varchar"),
    Column("n", "double"),
)
SCHEMA = {column.name: column.type for column in RAW}
INF, NAN = math.inf, math.nan


def spec(kind: dict[str, Any], **raw: str) -> PipelineSpec:
    metric = {"set": ("jaccard", 0.5), "vector": ("euclidean", 1.0), "geo": ("haversine", 100.0)}[
        next(iter(kind))
    ]
    return PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": DAY.key,
            "raw": {"files": "x.parquet", **(raw or {"time_column": "at"})},
            "entity": "who",
            "features": kind,
            "distance": {"metric": metric[0], "threshold": metric[1]},
            "algorithm": {"type": "dbscan"},
        }
    )


def compute(lake: Any, made: PipelineSpec, rows: list[tuple[Any, ...]]) -> tuple[list[Any], dict[str, int]]:
    """Features by entity, and what is invalid."""
    plan = features.plan(made, DAY, SCHEMA)
    filled = lake.fill(plan.features, {"raw": lake.write(RAW, rows)}, features_contract(plan.columns))
    return lake.rows(filled), plan.invalid(lake.engine.fetch(plan.summary, {"features": filled}).rows[0])


def test_a_set_is_sorted_and_distinct_and_has_no_nulls(lake: Any) -> None:
    rows = [
        ("2026-03-01 00:00:00", "b", "z", 0.0),
        ("2026-03-01 10:00:00", "b", "a", 0.0),
        ("2026-03-01 23:59:59.999999", "b", "z", 0.0),
        ("2026-03-01 10:00:00", "b", None, 0.0),
        ("2026-03-01 10:00:00", "b", "", 0.0),
        ("2026-03-01 10:00:00", "b", "é", 0.0),
        ("2026-03-01 10:00:00", "a", None, 0.0),
        ("2026-03-01 10:00:00", None, "q", 0.0),
        ("2026-02-28 23:59:59.999999", "b", "before", 0.0),
        ("2026-03-02 00:00:00", "b", "after", 0.0),
    ]
    found, invalid = compute(lake, spec({"set": '"Some value"'}), rows)
    assert found == [("a", None), ("b", ["", "a", "z", "é"])]
    assert invalid == {"an empty set (all values are null)": 1}


def test_rows_and_null_entities_are_counted(lake: Any) -> None:
    rows = [
        ("2026-03-01 00:00:00", who, "x", n) for who, n in [("a", 1.0), (None, 1.0), (None, 5.0), ("b", 5.0)]
    ]
    made = spec({"set": '"Some value"'}, time_column="at", where="n < 3")
    plan = features.plan(made, DAY, SCHEMA)
    counted = lake.engine.fetch(plan.counts, {"raw": lake.write(RAW, rows)})
    assert counted.rows == ({"rows": 2, "null_entities": 1},)


def test_a_condition_stays_together_beside_the_day(lake: Any) -> None:
    rows = [("2026-03-01 01:00:00", "a", "x", 1.0), ("2026-03-05 01:00:00", "b", "x", 2.0)]
    made = spec({"set": '"Some value"'}, time_column="at", where="n = 1 OR n = 2")
    assert [row[0] for row in compute(lake, made, rows)[0]] == ["a"]


def test_output_names_do_not_stand_in_for_columns_of_the_source(lake: Any) -> None:
    columns = (Column("at", "timestamp"), Column("entity", "varchar"), Column("x0", "double"))
    made = spec({"vector": ["max(x0) * 10", "min(x0)"]}).model_copy(update={"entity": "lower(entity)"})
    plan = features.plan(made, DAY, {column.name: column.type for column in columns})
    rows = [("2026-03-01 01:00:00", "A", 1.0), ("2026-03-01 01:00:00", "a", 2.0)]
    filled = lake.fill(plan.features, {"raw": lake.write(columns, rows)}, features_contract(plan.columns))
    assert lake.rows(filled) == [("a", 20.0, 1.0)]


def test_vectors_count_each_invalid_entity_once(lake: Any) -> None:
    values = {"ok": 1.0, "null": None, "nan": NAN, "inf": INF, "-inf": -INF, "huge": 1.1e150, "edge": -1e150}
    rows = [("2026-03-01 01:00:00", who, "x", n) for who, n in values.items()]
    found, invalid = compute(lake, spec({"vector": ["max(n)", "count(*)", "max(n)"]}), rows)
    assert len(found) == len(values)
    assert invalid == {"null": 1, "NaN": 1, "infinite": 2, "beyond 1e150": 1}


def test_places_off_the_globe_are_invalid(lake: Any) -> None:
    values = {"ok": 90.0, "low": -90.0, "off": 90.1, "null": None, "nan": NAN, "inf": -INF}
    rows = [("2026-03-01 01:00:00", who, "x", n) for who, n in values.items()]
    invalid = compute(lake, spec({"geo": {"latitude": "max(n)", "longitude": "max(n)"}}), rows)[1]
    assert invalid == {"null": 1, "NaN": 1, "infinite": 1, "latitude outside -90..90": 1}
    rows = [("2026-03-01 01:00:00", who, "x", n) for who, n in {"ok": 180.0, "off": 180.5}.items()]
    invalid = compute(lake, spec({"geo": {"latitude": "min(n) * 0", "longitude": "max(n)"}}), rows)[1]
    assert invalid == {"longitude outside -180..180": 1}


def test_minus_zero_is_zero(lake: Any) -> None:
    rows = [("2026-03-01 01:00:00", "a", "x", -0.0)]
    for kind in ({"vector": ["max(n)"]}, {"geo": {"latitude": "max(n)", "longitude": "max(n)"}}):
        found, _ = compute(lake, spec(kind), rows)
        assert [math.copysign(1, x) for x in found[0][1:]] == [1.0] * (len(found[0]) - 1)


def test_integers_divide_to_integers_as_in_athena(lake: Any) -> None:
    rows = [("2026-03-01 01:00:00", "a", "x", 1.0)] * 7
    found, _ = compute(
        lake, spec({"vector": ["count(*) / 2", "sum(cast(n AS bigint)) / 2", "count(*) / 2.0"]}), rows
    )
    assert found == [("a", 3.0, 3.0, 3.5)]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "timestamp",
            ["2026-02-28 23:59:59", "2026-03-01 00:00:00", "2026-03-01 23:59:59", "2026-03-02 00:00:00"],
        ),
        ("date", ["2026-02-28", "2026-03-01", "2026-03-01", "2026-03-02"]),
        ("varchar", ["2026-02-28 23:59:59", "2026-03-01", "2026-03-01 23:59:59.5", "2026-03-02 00:00:00"]),
        (
            "varchar",
            [
                "2026-03-01T00:30:00+02:00",
                "2026-03-01T02:00:00+02:00",
                "2026-03-01T23:59:59Z",
                "2026-03-02T00:00",
            ],
        ),
        (
            "timestamp with time zone",
            [
                "2026-03-01 01:30:00+02",
                "2026-03-01 02:00:00+02",
                "2026-03-01 20:00:00-03",
                "2026-03-01 21:00:00-03",
            ],
        ),
    ],
)
def test_a_day_is_a_utc_day_of_the_time_column(lake: Any, kind: str, values: list[str]) -> None:
    columns = (Column("at", kind), Column("who", "varchar"))
    raw = lake.write(columns, [(value, str(number)) for number, value in enumerate(values)])
    plan = features.plan(spec({"set": "who"}), DAY, {"at": kind, "who": "varchar"})
    filled = lake.fill(plan.features, {"raw": raw}, features_contract(plan.columns))
    assert [row[0] for row in lake.rows(filled)] == ["1", "2"]


@pytest.mark.parametrize("kind", ["varchar", "date"])
def test_a_day_is_the_value_of_the_partition_column(lake: Any, kind: str) -> None:
    columns = (Column("at", kind), Column("who", "varchar"))
    raw = lake.write(columns, [("2026-02-28", "a"), ("2026-03-01", "b")])
    plan = features.plan(spec({"set": "who"}, partition_column="at"), DAY, {"at": kind, "who": "varchar"})
    assert lake.engine.fetch(plan.counts, {"raw": raw}).rows[0]["rows"] == 1


@pytest.mark.parametrize("column", ["time_column", "partition_column"])
def test_a_column_of_another_type_tells_no_day(column: str) -> None:
    with pytest.raises(SourceSchemaError, match="bigint"):
        features.plan(spec({"set": "who"}, **{column: "at"}), DAY, {"at": "bigint", "who": "varchar"})


TOKENS = "abcdé"
SETS = st.lists(st.sets(st.sampled_from(TOKENS), min_size=0, max_size=4), min_size=1, max_size=12)
COUNTS = st.one_of(st.integers(1, 8), st.floats(0, 1), st.sampled_from([0.5, 1 / 3, 0.1, 1.0, 0.0]))


def limit(lake: Any, limits: dict[str, float], sets: list[set[str]]) -> tuple[Any, ...]:
    """Sets by entity after the limits, invalid entities by reason, tokens kept and dropped."""
    rows = [
        ("2026-03-01 01:00:00", f"{n:03}", token, 0.0)
        for n, shown in enumerate(sets)
        for token in sorted(shown) or [None]
    ]
    plan = features.plan(spec({"set": '"Some value"', "tokens": limits}), DAY, SCHEMA)
    contract = features_contract(plan.columns)
    assert plan.tokens is not None
    relations = {"features": lake.fill(plan.features, {"raw": lake.write(RAW, rows)}, contract)}
    relations["frequencies"] = lake.fill(plan.tokens.frequencies, relations, FREQUENCIES)
    vocabulary = lake.engine.fetch(plan.tokens.vocabulary, relations).rows[0]
    limited = lake.fill(plan.tokens.limited, relations, contract)
    invalid = plan.invalid(lake.engine.fetch(plan.summary, {"features": limited}).rows[0])
    points = lake.rows(lake.fill(plan.points, {"features": limited}, points_contract(plan.columns)))
    return lake.rows(limited), invalid, vocabulary, points


@pytest.mark.parametrize("examples", [20, pytest.param(60, marks=pytest.mark.long)])
def test_token_limits_are_those_of_a_count_vectorizer(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(SETS, COUNTS, COUNTS)
    @example([{"a"}, {"a"}, {"a", "b"}], 1, 2 / 3)  # 2/3 of 3 entities is 2.0 exactly, and two would stay
    @example([{"a", "b"}] * 3 + [{"b"}] * 7, 0.3, 1.0)  # 0.3 of 10 is 3.0 exactly, and three stay
    def holds(sets: list[set[str]], min_df: float, max_df: float) -> None:
        limited, invalid, vocabulary, points = limit(lake, {"min_df": min_df, "max_df": max_df}, sets)
        shown = {f"{n:03}": tokens for n, tokens in enumerate(sets) if tokens}
        try:
            vectorizer = CountVectorizer(analyzer=sorted, min_df=min_df, max_df=max_df)
            kept = set(vectorizer.fit(shown.values()).vocabulary_) if shown else set()
        except ValueError:  # it refuses to keep nothing, and a max_df that allows less than min_df asks for
            kept = set()
        expected = [(f"{n:03}", sorted(tokens & kept) if tokens else None) for n, tokens in enumerate(sets)]
        assert limited == expected
        assert dict(vocabulary) == {"kept": len(kept), "dropped": len(set().union(*sets)) - len(kept)}
        reasons = {
            "an empty set (all values are null)": sum(tokens is None for _, tokens in expected),
            "only values outside tokens.min_df..max_df": sum(tokens == [] for _, tokens in expected),
        }
        assert invalid == {words: count for words, count in reasons.items() if count}
        distinct = dict.fromkeys(tuple(tokens) for _, tokens in expected if tokens)
        assert [tuple(row[2]) for row in points] == list(distinct)

    holds()


def test_sets_without_limits_and_vectors_without_scale_have_no_further_statement() -> None:
    for kind in ({"set": "who"}, {"vector": ["max(n)"]}, {"vector": ["max(n)"], "scale": "none"}):
        plan = features.plan(spec(kind), DAY, SCHEMA)
        assert (plan.tokens, plan.scale) == (None, None)
