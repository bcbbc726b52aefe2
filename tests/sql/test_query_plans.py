"""Joins are hash joins: a nested loop over a day would take hours."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_assets.backends.duckdb.files import from_item
from cluster_assets.backends.duckdb.sql import duckdb_text
from cluster_assets.spec.pipeline import Features
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.points import kinds as features

POINTS: dict[str, Any] = {
    "jaccard": ({"set": "a"}, 0.4, "[(i % 50)::VARCHAR, (i % 77)::VARCHAR, 't' || i] AS tokens"),
    "euclidean": ({"vector": ["avg(a)", "avg(b)"]}, 0.1, "i % 101 / 10e0 AS x0, i % 57 / 10e0 AS x1"),
    "haversine": (
        {"geo": {"latitude": "avg(a)", "longitude": "avg(b)"}},
        1000.0,
        "i % 90 * 1e0 AS latitude, i % 180 * 1e0 AS longitude",
    ),
}
LOOPS = ("NESTED_LOOP_JOIN", "BLOCKWISE_NL_JOIN", "IE_JOIN", "PIECEWISE_MERGE_JOIN")


def explain(lake: Any, statement: Any, relations: dict[str, Any]) -> str:
    items = {name: from_item(relation) for name, relation in relations.items()}
    cursor = lake.engine._sessions.cursor(frozenset({str(lake.folder)}))
    return cursor.execute("EXPLAIN " + duckdb_text(statement, items)).fetchall()[0][1]


@pytest.mark.parametrize("metric", sorted(POINTS))
def test_candidates_are_found_by_hash_joins(lake: Any, metric: Any) -> None:
    kind, threshold, values = POINTS[metric]
    columns = features.columns_of(Features.model_validate(kind))
    points = lake.copy(f"SELECT i AS point_id, 1::BIGINT AS weight, {values} FROM range(5000) AS t(i)")
    plan = metrics.plan(metrics.Comparison(next(iter(kind)), metric, threshold, columns))
    relations: dict[str, Any] = {"points": points}
    for step in plan.scratch:
        relations[step.table.name] = lake.fill(step.statement, relations, step.table)
    for statement in (plan.candidates, plan.comparisons, *(step.statement for step in plan.scratch)):
        text = explain(lake, statement, relations)
        assert not [loop for loop in LOOPS if loop in text], text
        # The only cross product is that of points (or cells) with the few steps to neighbours.
        assert text.count("CROSS_PRODUCT") <= (metric != "jaccard"), text


@pytest.mark.parametrize("metric", ["euclidean", "haversine"])
def test_certificates_are_found_by_hash_joins(lake: Any, metric: Any) -> None:
    kind, threshold, values = POINTS[metric]
    columns = features.columns_of(Features.model_validate(kind))
    points = lake.copy(f"SELECT i AS point_id, 1::BIGINT AS weight, {values} FROM range(5000) AS t(i)")
    plan = metrics.cells(metrics.Comparison(next(iter(kind)), metric, threshold, columns), 5)
    relations: dict[str, Any] = {"points": points}
    for step in plan.scratch:
        relations[step.table.name] = lake.fill(step.statement, relations, step.table)
    for statement in (plan.candidates, *(step.statement for step in plan.scratch)):
        text = explain(lake, statement, relations)
        assert not [loop for loop in LOOPS if loop in text], text
        # Cross products are those with a list of steps, sides or directions.
        assert text.count("CROSS_PRODUCT") <= 1, text
