"""The planner: by the YAML first, then by kind, then by how dense the day is."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.planner import (
    CERTIFIED_COMPARISONS,
    DENSE_COMPARISONS,
    FEW_COMPARISONS,
    MANY_POINTS,
    MOST_MEASURED_POINTS,
    choose_executor,
    may_certify,
)

GEO = {"geo": {"latitude": "max(a)", "longitude": "max(b)"}}


def spec(features: dict[str, Any], metric: str, algorithm: str = "dbscan", **more: Any) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "demo",
            "start_date": "2026-01-01",
            "raw": {"files": "a.parquet", "time_column": "t"},
            "entity": "e",
            "features": features,
            "distance": {"metric": metric, "threshold": 1},
            "algorithm": {"type": algorithm},
            **more,
        }
    )


def vector(dimensions: int) -> dict[str, Any]:
    return {"vector": ["avg(a)"] * dimensions}


def never() -> int:
    raise AssertionError("counting costs a query; this choice does not need it")


@pytest.mark.parametrize(
    ("features", "metric", "executor"),
    [
        ({"set": "a"}, "jaccard", "join"),
        ({"text": "max(a)"}, "levenshtein", "join"),
        ({"mixed": {"x": {"number": "avg(a)"}}}, "gower", "join"),
        ({"embedding": "any_value(a)"}, "cosine", "blocks"),
        (vector(6), "euclidean", "blocks"),
        (vector(40), "cosine", "blocks"),
        (vector(2), "cosine", "join"),
    ],
)
def test_the_kind_decides(features: dict[str, Any], metric: str, executor: str) -> None:
    assert choose_executor(spec(features, metric), 10_000_000, never).executor == executor


@pytest.mark.parametrize(
    ("features", "metric", "dense"),
    [
        (vector(1), "euclidean", "cells"),
        (vector(3), "manhattan", "cells"),
        (GEO, "haversine", "cells"),
        (vector(4), "euclidean", "blocks"),
        (vector(5), "chebyshev", "blocks"),
    ],
)
def test_a_dense_day_is_not_listed(features: dict[str, Any], metric: str, dense: str) -> None:
    pipeline, points = spec(features, metric), MANY_POINTS - 1
    few = DENSE_COMPARISONS * points
    assert choose_executor(pipeline, points, lambda: few).executor == "join"
    choice = choose_executor(pipeline, points, lambda: few + 1)
    assert choice.executor == dense
    assert f"{few + 1:,}" in choice.reason
    assert choose_executor(pipeline, 10, lambda: FEW_COMPARISONS).executor == "join"


@pytest.mark.parametrize("features", [vector(2), vector(4), GEO])
def test_a_worker_certifies_where_it_would_list_more_pairs_than_points(features: dict[str, Any]) -> None:
    pipeline = spec(features, "haversine" if features == GEO else "euclidean")
    more, points = CERTIFIED_COMPARISONS + 1, 5 * MANY_POINTS
    is_certified = features == vector(2)
    chosen = choose_executor(pipeline, points, lambda: more * points).executor
    assert chosen == ("cells" if is_certified else "blocks")
    assert choose_executor(pipeline, points, lambda: (more - 1) * points).executor == "blocks"
    fewer = MANY_POINTS - 1
    assert choose_executor(pipeline, fewer, lambda: more * fewer).executor == "join", "SQL lists them at once"
    beyond = 20_000_000
    assert choose_executor(pipeline, beyond, lambda: more * beyond).executor != "cells", "nobody holds them"


def test_many_points_of_few_dimensions_are_measured_by_the_worker() -> None:
    pipeline = spec(vector(2), "euclidean")
    assert choose_executor(pipeline, MANY_POINTS - 1, lambda: 0).executor == "join"
    assert choose_executor(pipeline, MANY_POINTS, lambda: 0).executor == "blocks"
    assert choose_executor(pipeline, MOST_MEASURED_POINTS + 1, lambda: 0).executor == "join"
    hdbscan = spec(vector(2), "euclidean", "hdbscan")
    assert choose_executor(hdbscan, MANY_POINTS, lambda: 0).executor == "join"
    places = spec(GEO, "haversine")
    assert choose_executor(places, MANY_POINTS, lambda: 0).executor == "blocks"
    assert choose_executor(places, 10_000_000, lambda: 0).executor == "join", "more than one invocation holds"


@pytest.mark.parametrize(
    ("features", "metric"), [({"text": "max(a)"}, "levenshtein"), ({"set": "a"}, "cosine")]
)
def test_texts_and_sets_that_fit_are_measured_by_the_worker(features: dict[str, Any], metric: str) -> None:
    near = {"metric": metric, "threshold": {"levenshtein": 3, "cosine": 0.4}[metric]}
    pipeline = spec(features, metric, distance=near)
    assert choose_executor(pipeline, MANY_POINTS - 1, never).executor == "join"
    choice = choose_executor(pipeline, MANY_POINTS, never)
    assert choice.executor == "blocks"
    assert f"{pipeline.features.kind}s are compared in memory" in choice.reason
    assert choose_executor(pipeline, 1_000_000, never).executor == "blocks"
    little = spec(features, metric, distance=near, limits={"memory_mb": 256})
    assert choose_executor(little, 2_000_000, never).executor == "join", "more than an invocation holds"
    hdbscan = spec(features, metric, "hdbscan", distance=near)
    assert choose_executor(hdbscan, MANY_POINTS, never).executor == "join"
    far = {"metric": metric, "threshold": {"levenshtein": 5, "cosine": 1}[metric]}
    wide = spec(features, metric, distance=far)
    assert choose_executor(wide, MANY_POINTS, never).executor == "join", "keys tell few points apart"
    named = spec(features, metric, distance=near, blocking={"type": "join"})
    assert choose_executor(named, MANY_POINTS, never).executor == "join"


def test_what_the_yaml_names_is_taken() -> None:
    for name in ("join", "cells", "blocks"):
        pipeline = spec(vector(2), "euclidean", blocking={"type": name})
        assert choose_executor(pipeline, 10, never).executor == name


@pytest.mark.parametrize(
    ("features", "metric", "blocking", "told"),
    [
        ({"set": "a"}, "dice", "lsh", "use auto, join"),
        ({"set": "a"}, "jaccard", "cells", "use auto, join, blocks, lsh"),
        ({"mixed": {"x": {"number": "avg(a)"}}}, "gower", "blocks", "use auto, join"),
        ({"embedding": "max(a)"}, "euclidean", "join", "use auto, blocks"),
        (vector(4), "euclidean", "cells", "use auto, join, blocks"),
        (vector(2), "cosine", "cells", "use auto, join, blocks"),
    ],
)
def test_what_cannot_be_done_is_refused(
    features: dict[str, Any], metric: str, blocking: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        spec(features, metric, blocking={"type": blocking})


def test_the_algorithm_counts_only_where_a_certificate_is_possible() -> None:
    assert may_certify(spec(vector(2), "euclidean"))
    assert may_certify(spec(GEO, "haversine", "connected_components"))
    assert not may_certify(spec(vector(2), "euclidean", blocking={"type": "join"}))
    assert not may_certify(spec(vector(4), "euclidean"))
    assert not may_certify(spec({"set": "a"}, "jaccard"))
