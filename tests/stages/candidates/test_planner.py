"""The planner: by the YAML first, then by kind, then by how dense the day is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.candidates.planner import (
    CERTIFIED_COMPARISONS,
    DENSE_COMPARISONS,
    FEW_COMPARISONS,
    MANY_POINTS,
    MOST_MEASURED_POINTS,
    Choice,
    Density,
    choose_executor,
    is_certified,
    may_certify,
)
from cluster_assets.stages.candidates.plans import plan_search
from cluster_assets.stages.clusters.kmeans import PointTable
from cluster_assets.stages.worker.plans import DayFacts, LatestDay

if TYPE_CHECKING:
    from collections.abc import Callable

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


def none() -> int:
    return 0


def never() -> int:
    raise AssertionError("counting costs a query; this choice does not need it")


def choose(
    pipeline: PipelineSpec, points: int, comparisons: Callable[[], int], pairs: Callable[[], int] = never
) -> Choice:
    return choose_executor(pipeline, points, Density(comparisons, pairs))


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
    assert choose(spec(features, metric, "single_linkage"), 10_000_000, never).executor == executor


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
    assert choose(pipeline, points, lambda: few, none).executor == "join"
    choice = choose(pipeline, points, lambda: few + 1, none)
    assert choice.executor == dense
    assert f"{few + 1:,}" in choice.reason
    assert choose(pipeline, 10, lambda: FEW_COMPARISONS, none).executor == "join"


@pytest.mark.parametrize("dimensions", [4, 5, 6, 10])
@pytest.mark.parametrize("points", [MANY_POINTS - 1, 5 * MANY_POINTS])
def test_a_tree_replaces_many_near_pairs(dimensions: int, points: int) -> None:
    """Beyond three dimensions the near pairs count, because the grid of the join has three axes."""
    pipeline, few = (
        spec(vector(dimensions), "manhattan"),
        max(FEW_COMPARISONS, CERTIFIED_COMPARISONS * points),
    )
    choice = choose(pipeline, points, never, lambda: few + 1)
    assert choice.executor == "cells"
    assert f"{few + 1:,} pairs" in choice.reason
    is_joined = dimensions <= 5 and points < MANY_POINTS
    assert choose(pipeline, points, none, lambda: few).executor == ("join" if is_joined else "blocks")


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": {"type": "optics"}},
        {"distance": {"metric": "cosine", "threshold": 0.1}},
        {"features": vector(11)},
        {"limits": {"memory_mb": 128}},
        {"limits": {"timeout_s": 30}},
    ],
)
def test_a_tree_is_not_for_every_day(change: dict[str, Any]) -> None:
    """It needs cores and connectivity alone, coordinates that it separates, and room in one invocation."""
    pipeline = spec(vector(8), "euclidean")
    assert is_certified(pipeline, 800_000)
    changed = PipelineSpec.model_validate(pipeline.model_dump() | change)
    assert choose(changed, 800_000, never, never).executor == "blocks"


@pytest.mark.parametrize("features", [vector(2), GEO])
def test_a_worker_certifies_where_it_would_list_more_pairs_than_points(features: dict[str, Any]) -> None:
    pipeline = spec(features, "haversine" if features == GEO else "euclidean")
    more, points = CERTIFIED_COMPARISONS + 1, 5 * MANY_POINTS
    is_certified = features == vector(2)
    chosen = choose(pipeline, points, lambda: more * points).executor
    assert chosen == ("cells" if is_certified else "blocks")
    assert choose(pipeline, points, lambda: (more - 1) * points).executor == "blocks"
    fewer = MANY_POINTS - 1
    assert choose(pipeline, fewer, lambda: more * fewer).executor == "join", "SQL lists them at once"
    beyond = 20_000_000
    assert choose(pipeline, beyond, lambda: more * beyond).executor != "cells", "nobody holds them"


def test_many_points_of_few_dimensions_are_measured_by_the_worker() -> None:
    pipeline = spec(vector(2), "euclidean")
    assert choose(pipeline, MANY_POINTS - 1, lambda: 0).executor == "join"
    assert choose(pipeline, MANY_POINTS, lambda: 0).executor == "blocks"
    assert choose(pipeline, MOST_MEASURED_POINTS + 1, lambda: 0).executor == "join"
    hdbscan = spec(vector(2), "euclidean", "hdbscan")
    assert choose(hdbscan, MANY_POINTS, lambda: 0).executor == "join"
    places = spec(GEO, "haversine")
    assert choose(places, MANY_POINTS, lambda: 0).executor == "blocks"
    assert choose(places, 10_000_000, lambda: 0).executor == "join", "more than one invocation holds"


@pytest.mark.parametrize(
    ("features", "metric"), [({"text": "max(a)"}, "levenshtein"), ({"set": "a"}, "cosine")]
)
def test_texts_and_sets_that_fit_are_measured_by_the_worker(features: dict[str, Any], metric: str) -> None:
    near = {"metric": metric, "threshold": {"levenshtein": 3, "cosine": 0.4}[metric]}
    pipeline = spec(features, metric, distance=near)
    assert choose(pipeline, MANY_POINTS - 1, never).executor == "join"
    choice = choose(pipeline, MANY_POINTS, never)
    assert choice.executor == "blocks"
    assert f"{pipeline.features.kind}s are compared in memory" in choice.reason
    assert choose(pipeline, 1_000_000, never).executor == "blocks"
    little = spec(features, metric, distance=near, limits={"memory_mb": 256})
    assert choose(little, 2_000_000, never).executor == "join", "more than an invocation holds"
    hdbscan = spec(features, metric, "hdbscan", distance=near)
    assert choose(hdbscan, MANY_POINTS, never).executor == "join"
    far = {"metric": metric, "threshold": {"levenshtein": 5, "cosine": 1}[metric]}
    wide = spec(features, metric, distance=far)
    assert choose(wide, MANY_POINTS, never).executor == "join", "keys tell few points apart"
    named = spec(features, metric, distance=near, blocking={"type": "join"})
    assert choose(named, MANY_POINTS, never).executor == "join"


def test_what_the_yaml_names_is_taken() -> None:
    for name in ("join", "cells", "blocks"):
        pipeline = spec(vector(2), "euclidean", blocking={"type": name})
        assert choose(pipeline, 10, never).executor == name


@pytest.mark.parametrize(
    ("features", "metric", "blocking", "told"),
    [
        ({"set": "a"}, "dice", "lsh", "use auto, join"),
        ({"set": "a"}, "jaccard", "cells", "use auto, join, blocks, lsh"),
        ({"mixed": {"x": {"number": "avg(a)"}}}, "gower", "blocks", "use auto, join"),
        ({"embedding": "max(a)"}, "euclidean", "join", "use auto, blocks"),
        (vector(11), "euclidean", "cells", "use auto, join, blocks"),
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
    assert may_certify(spec(vector(10), "euclidean"))
    assert not may_certify(spec(vector(11), "euclidean"))
    assert not may_certify(spec({"set": "a"}, "jaccard"))


@pytest.mark.parametrize(("points", "memory_mb"), [(100_000, 250), (5_000, 120)])
def test_a_plan_of_embeddings_predicts_two_blocks_or_the_only_one(points: int, memory_mb: float) -> None:
    """Blocks have at most 32 MiB, however many points a day has."""
    embeddings = spec({"embedding": "any_value(a)"}, "cosine")
    table = PointTable((WrittenFile("points.parquet", points, points * 384 * 8),), ("embedding",))
    facts = DayFacts(embeddings, table, points, 1_000, "blocks", "candidates", LatestDay())
    (step,) = plan_search(facts).steps
    assert (step.operation, step.invocations) == ("measure", 1)
    assert step.memory_mb == pytest.approx(memory_mb, rel=0.03)
