"""One row of facts for each metric: the YAML, the planner and the statements agree on it."""

from __future__ import annotations

from typing import get_args

import pytest

from cluster_assets.spec.distance import Distance
from cluster_assets.spec.features import KINDS
from cluster_assets.spec.metrics import METRICS, Metric, MetricFacts, metric_of, metrics_of, unit_of
from cluster_assets.stages.candidates import metrics as statements

EACH_METRIC = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: f"{metric.kind}-{metric.name}")


@EACH_METRIC
def test_a_metric_has_one_row_and_one_unit(metric: MetricFacts) -> None:
    assert metric_of(metric.kind, metric.name) is metric
    assert [one for one in METRICS if (one.kind, one.name) == (metric.kind, metric.name)] == [metric]
    assert unit_of(metric.name) is metric.unit


@EACH_METRIC
def test_an_executor_of_sql_has_statements(metric: MetricFacts) -> None:
    tables = {"join": statements._JOINS, "cells": statements._CELLS, "lsh": statements._LSH}
    for executor, table in tables.items():
        assert (executor in metric.executors) == ((metric.kind, metric.name) in table), executor


@EACH_METRIC
def test_dense_cells_need_a_grid(metric: MetricFacts) -> None:
    assert "cells" not in metric.executors or metric.grid is not None
    assert not (metric.of_directions and metric.grid)


def test_every_kind_and_name_has_a_metric() -> None:
    assert {metric.name for metric in METRICS} == set(get_args(Metric))
    assert all(metrics_of(kind) for kind in KINDS)


@pytest.mark.parametrize(
    ("metric", "largest", "beyond", "complaint"),
    [
        ("jaccard", 1.0, 1.5, "a jaccard distance is between 0 and 1, not 1.5"),
        ("gower", 1.0, 2.0, "a gower distance is between 0 and 1, not 2"),
        ("haversine", 2.0e7, 2.1e7, "haversine is in metres; 2.1e.07 is more than half the Earth"),
        (
            "levenshtein",
            1000.0,
            1001.0,
            "levenshtein counts edits; write an integer up to 1000, not 1001",
        ),
        ("levenshtein", 2.0, 2.5, "levenshtein counts edits"),
        ("euclidean", 1e150, 1e151, "a euclidean threshold beyond 1e150 overflows when squared"),
    ],
)
def test_thresholds_are_in_the_unit(metric: Metric, largest: float, beyond: float, complaint: str) -> None:
    assert Distance(metric=metric, threshold=largest).threshold == largest
    with pytest.raises(ValueError, match=complaint):
        Distance(metric=metric, threshold=beyond)
