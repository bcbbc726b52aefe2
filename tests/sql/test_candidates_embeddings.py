"""Embeddings: which are valid; hashing by hyperplanes finds most near pairs and measures them exactly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import features_contract
from cluster_assets.domain.tables import CANDIDATES, MEMBERS, Column, points_contract
from cluster_assets.spec.columns import needed_columns
from cluster_assets.spec.pipeline import Distance, PipelineSpec
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.points import kinds as features

DAY = parse_day("2026-03-01")
NAN, INF = math.nan, math.inf
EMBEDDING = (Column("embedding", "array(double)"),)


def spec(expression: str = "any_value(v)") -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": DAY.key,
            "raw": {"files": "x.parquet", "time_column": "at"},
            "entity": "who",
            "features": {"embedding": expression},
            "distance": {"metric": "cosine", "threshold": 0.1},
            "algorithm": {"type": "dbscan"},
        }
    )


def compute(lake: Any, rows: list[tuple[str, Any]], kind: str = "array(double)") -> Any:
    """The plan of a day, and its features."""
    raw = (Column("at", "timestamp"), Column("who", "varchar"), Column("v", kind))
    plan = features.plan(spec(), DAY, {column.name: column.type for column in raw})
    written = lake.write(raw, [("2026-03-01 10:00:00", who, value) for who, value in rows])
    return plan, lake.fill(plan.features, {"raw": written}, features_contract(plan.columns))


def test_what_is_no_embedding_is_counted_by_reason(lake: Any) -> None:
    rows = [
        ("a", [1.0, -0.0]),
        ("b", [1.0, 0.0]),
        ("c", None),
        ("d", []),
        ("e", [1.0, 2.0, 3.0]),
        ("f", [1.0, None]),
        ("g", [NAN, 1.0]),
        ("h", [1e151, 1.0]),
        ("i", [-INF, 1.0]),
        ("j", [0.0, 0.0]),
        ("k", [1e150, 1.0]),
    ]
    plan, filled = compute(lake, rows)
    invalid = plan.invalid(lake.engine.fetch(plan.summary, {"features": filled}).rows[0])
    assert invalid == {
        "null": 1,
        "empty, or of another length than most of the day's": 2,
        "holding null or NaN": 2,
        "holding a number that is infinite or beyond 1e150": 2,
    }
    contract = points_contract(plan.columns)
    points = lake.fill(plan.points, {"features": filled}, contract)
    found = lake.rows(points)
    assert found == [(0, 2, [1.0, 0.0]), (1, 1, [0.0, 0.0]), (2, 1, [1e150, 1.0])]
    assert str(found[0][2][1]) == "0.0"
    members = lake.fill(plan.members, {"features": filled, "points": points}, MEMBERS)
    assert lake.rows(members) == [("a", 0), ("b", 0), ("j", 1), ("k", 2)]


def test_the_length_most_entities_show_is_the_days(lake: Any) -> None:
    _, filled = compute(lake, [("a", [1.0]), ("b", [1.0, 2.0]), ("c", [1.0]), ("d", []), ("e", [])])
    assert lake.rows(filled) == [("a", [1.0]), ("b", []), ("c", [1.0]), ("d", []), ("e", [])]
    _, filled = compute(lake, [("a", [1.0]), ("b", [1.0, 2.0])])
    assert lake.rows(filled) == [("a", []), ("b", [1.0, 2.0])]
    _, filled = compute(lake, [("a", []), ("b", None)])
    assert lake.rows(filled) == [("a", []), ("b", None)]


@pytest.mark.parametrize("kind", ["array(real)", "array(decimal(6,2))", "array(bigint)"])
def test_other_numbers_become_doubles(lake: Any, kind: str) -> None:
    _, filled = compute(lake, [("a", [1, 2])], kind)
    assert lake.rows(filled) == [("a", [1.0, 2.0])]


def test_of_several_embeddings_the_least_counts(lake: Any) -> None:
    _, filled = compute(lake, [("a", [1.0, 3.0]), ("a", [1.0, 2.0]), ("a", None)])
    assert lake.rows(filled) == [("a", [1.0, 2.0])]
    assert needed_columns(spec()) == ("who", "v", "at")


def hashed(lake: Any, values: Any, threshold: float, options: metrics.LshOptions) -> list[Any]:
    rows = [(n, 1, row) for n, row in enumerate(values.tolist())]
    known = {"points": lake.write(points_contract(EMBEDDING).columns, rows)}
    plan = metrics.lsh(metrics.Comparison("embedding", "cosine", threshold, EMBEDDING), options)
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    assert lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"] >= 0
    return list(lake.rows(lake.fill(plan.candidates, known, CANDIDATES)))


def test_hashing_finds_most_pairs_and_measures_them_exactly(lake: Any) -> None:
    chance = np.random.default_rng(3)
    values = chance.standard_normal((60, 24))[chance.integers(0, 60, 600)]
    values = values + chance.standard_normal((600, 24)) * 0.15
    values[0] *= 1e-160  # its squares vanish
    values[1] = 0.0
    columns = tuple(Column(f"x{k}", "double") for k in range(24))
    distance = Distance(metric="cosine", threshold=0.04)
    exact = lake.candidates(distance, columns, [tuple(row) for row in values.tolist()])
    found = hashed(lake, values, 0.04, metrics.LshOptions(tables=16, rows=6, seed=1))
    assert set(found) <= set(exact)
    assert len(found) > 0.9 * len(exact) > 500
    fewer = hashed(lake, values, 0.04, metrics.LshOptions(tables=1, rows=12, seed=1))
    assert set(fewer) < set(found) | set(exact)
    assert len(fewer) < len(exact)


def test_hashing_depends_on_the_two_points_and_the_seed_only(lake: Any) -> None:
    values = np.random.default_rng(5).standard_normal((300, 8))
    options = metrics.LshOptions(tables=2, rows=6, seed=7)
    whole = hashed(lake, values, 0.5, options)
    assert whole == hashed(lake, values, 0.5, options)
    assert [pair for pair in whole if pair[1] < 150] == hashed(lake, values[:150], 0.5, options)
    assert whole != hashed(lake, values, 0.5, metrics.LshOptions(tables=2, rows=6, seed=8))


def test_the_most_planes_make_no_text_that_athena_refuses() -> None:
    comparison = metrics.Comparison("embedding", "cosine", 0.1, EMBEDDING)
    for tables, rows in ((128, 4), (16, 8), (1, 32), (1, 1)):
        plan = metrics.lsh(comparison, metrics.LshOptions(tables, rows, 2**31 - 1))
        for step in plan.scratch:
            assert len(step.statement.tree.sql("athena").encode()) < 262_144
