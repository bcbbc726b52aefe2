"""The estimates of `plan` against the day that follows: events, memory and price of every family."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.costs import LambdaPrice
from cluster_assets.domain.days import parse_day
from cluster_assets.operations.estimates import DayEstimate, estimate_day
from cluster_assets.stages.candidates import search
from cluster_assets.stages.clusters.forests import ShardSizes
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.worker.invocations import CALL_TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cluster_assets.domain.manifests import Metric
    from tests.flow.conftest import Runner

FIRST, SECOND = "2026-01-01", "2026-01-02"
NEAR: dict[str, Any] = {"distance": {"metric": "euclidean", "threshold": 1.0}}
# A plan may be so many times off, besides the start of each call and of scikit-learn in a fresh process.
FACTOR, START_S, SKLEARN_S = 5, 0.5, 4.0
SKLEARN_MB = 140  # which a worker keeps that has loaded it before

FAMILIES: dict[str, tuple[dict[str, Any], str]] = {
    "dbscan": ({"type": "dbscan"}, "cluster"),
    "connected_components": ({"type": "connected_components"}, "cluster"),
    "single_linkage": ({"type": "single_linkage", "dendrogram": True}, "cluster dendrogram"),
    "hdbscan": ({"type": "hdbscan"}, "hdbscan_points"),
    "hdbscan, levels": ({"type": "hdbscan"}, "neighbours core_distances forest hdbscan"),
    "agglomerative": ({"type": "agglomerative"}, "cluster pack components number"),
    "optics": ({"type": "optics"}, "cluster pack order extract"),
    "mean_shift": ({"type": "mean_shift"}, "cluster pack climb peaks"),
    "kmeans": (
        {"type": "kmeans", "n_clusters": 4, "max_iter": 40},
        "sample seed round centres gather",
    ),
    "minibatch_kmeans": ({"type": "minibatch_kmeans", "n_clusters": 4}, "learn"),
    "birch": ({"type": "birch", "threshold": 0.8}, "learn"),
    "sklearn": (
        {"sklearn": {"class": "sklearn.cluster.DBSCAN", "params": {"eps": 0.4}}},
        "cluster pack components number",
    ),
}


@pytest.fixture
def raw(tmp_path: Path) -> dict[str, str]:
    """Two days of the same 600 entities in nine blobs."""
    path = tmp_path / "days.parquet"
    place = "range % 3 * 10 + hash(range * {0}) % 1000 * 0.004"
    columns = f"{place.format(7)} AS x, {place.format(11).replace('% 3', '// 3 % 3')} AS y"
    select = f"SELECT day::TIMESTAMP AS at, 'e' || range AS id, {columns} FROM range(600)"
    days = f"(SELECT unnest(['{FIRST}', '{SECOND}']) AS day)"
    duckdb.execute(f"COPY ({select}, {days}) TO '{path}' (FORMAT parquet)")
    return {"files": str(path), "time_column": "at"}


def pipeline(runner: Callable[..., Runner], raw: dict[str, str], family: str) -> Runner:
    algorithm = FAMILIES[family][0]
    near: dict[str, Any] = {} if family in ("kmeans", "minibatch_kmeans", "birch") else NEAR
    levels = {"blocking": {"type": "join"}} if family == "hdbscan, levels" else {}
    return runner(raw=raw, features={"vector": ["max(x)", "max(y)"]}, algorithm=algorithm, **near, **levels)


def plan_of(run: Runner, day: str) -> DayEstimate:
    return estimate_day(DayJob(run.spec, run.backend, run.ledger, parse_day(day)))


def operations(metrics: Mapping[str, Metric]) -> Counter[str]:
    return Counter(call["name"].split()[0] for call in json.loads(str(metrics[CALL_TABLE])))


def planned(estimate: DayEstimate, stage: str) -> Counter[str]:
    return Counter({step.operation: step.invocations for step in estimate.worker if step.stage == stage})


def seconds_of(estimate: DayEstimate, operation: str) -> float:
    return sum(step.seconds for step in estimate.worker if step.operation == operation)


def seed_seconds_of(run: Runner, n_init: int) -> float:
    """Seconds that finding the first centres of k-means from so many starts would take on the first day."""
    algorithm = run.spec.algorithm.model_copy(update={"n_init": n_init})
    spec = run.spec.model_copy(update={"algorithm": algorithm})
    return seconds_of(estimate_day(DayJob(spec, run.backend, run.ledger, parse_day(FIRST))), "seed")


def meets(estimate: DayEstimate, stage: str, metrics: Mapping[str, Metric]) -> None:
    """Memory within the models, and the price by the stated factor."""
    steps = [step for step in estimate.worker if step.stage == stage]
    count, seconds = sum(step.invocations for step in steps), sum(step.seconds for step in steps)
    assert metrics["worker_peak_memory_mb"] <= 1.25 * max(step.memory_mb for step in steps) + SKLEARN_MB
    real = float(metrics["worker_seconds"])
    slack = START_S * count + SKLEARN_S
    assert real <= FACTOR * seconds + slack
    assert seconds <= FACTOR * real + slack


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_names_the_events_that_a_day_then_sends(
    runner: Callable[..., Runner], raw: dict[str, str], family: str
) -> None:
    run, expected = pipeline(runner, raw, family), FAMILIES[family][1].split()
    before = plan_of(run, FIRST)
    assert (before.worker, before.invocations, before.lambda_usd) == ((), 0, None)
    assert any("unknown until the points" in note for note in before.notes)

    run.run(FIRST, until="candidates")
    first = plan_of(run, FIRST)
    assert [step.operation for step in first.worker if step.stage == "clusters"] == expected
    if family == "kmeans":
        assert seed_seconds_of(run, n_init=1) < seed_seconds_of(run, n_init=3) == seconds_of(first, "seed")
    done = run.run(FIRST, until="clusters")["clusters"].manifest.metrics
    if family == "kmeans":
        assert any("at most 40 (max_iter)" in note for note in first.notes)
        assert planned(first, "clusters")["centres"] == 40 >= int(done["iterations"])
        assert planned(first, "clusters")["round"] == 41
    elif family == "hdbscan, levels":
        assert any("levels of hdbscan: unknown" in note for note in first.notes)
        assert planned(first, "clusters")["hdbscan"] == 1 < int(done["levels"])
    else:
        assert planned(first, "clusters") == operations(done)
        meets(first, "clusters", done)

    run.run(SECOND, until="candidates")
    second = plan_of(run, SECOND)
    assert [step.operation for step in second.worker if step.stage == "clusters"] == expected
    done = run.run(SECOND, until="clusters")["clusters"].manifest.metrics
    sent = operations(done)
    if family == "hdbscan, levels":  # a level that finds no further pair sends fewer
        assert all(planned(second, "clusters")[name] >= count for name, count in sent.items())
        assert planned(second, "clusters")["hdbscan"] == sent["hdbscan"] == done["levels"]
    else:
        assert planned(second, "clusters") == sent
    meets(second, "clusters", done)
    assert second.lambda_usd == pytest.approx(
        LambdaPrice().dollars(1769, second.worker_seconds, second.invocations), rel=1e-3
    )


def test_shards_are_counted_as_they_are_sent(
    runner: Callable[..., Runner], raw: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "SHARDED_COMPARISONS", 0)
    monkeypatch.setattr(search, "COMPARISONS_A_SHARD", 100)
    monkeypatch.setattr(ShardSizes, "within", classmethod(lambda cls, _: cls(0.0, 500)))
    run = pipeline(runner, raw, "dbscan")
    run.run(FIRST, until="candidates")
    plan = plan_of(run, FIRST)
    done = run.run(FIRST, until="clusters")["clusters"].manifest.metrics
    sent, foreseen = operations(done), planned(plan, "clusters")
    assert foreseen.keys() == sent.keys() == {"degrees", "cores", "forest", "cluster"}
    assert done["shards"] == sent["degrees"] > 2
    for name, count in sent.items():
        assert count <= foreseen[name] <= 2 * count
    meets(plan, "clusters", done)


def test_profiles_and_the_search_are_priced(runner: Callable[..., Runner], raw: dict[str, str]) -> None:
    run = runner(raw=raw, features={"vector": ["max(x)", "max(y)"]}, blocking={"type": "blocks"}, **NEAR)
    run.run(FIRST, until="points")
    plan = plan_of(run, FIRST)
    done = run.run(FIRST, until="report")
    assert {step.stage for step in plan.worker} == {"candidates", "profiles", "report"}
    assert plan.lambda_usd is None
    assert any("clusters: invocations and price are unknown" in note for note in plan.notes)
    for stage in ("candidates", "profiles", "report"):
        metrics = done[stage].manifest.metrics
        assert planned(plan, stage) == operations(metrics)
        meets(plan, stage, metrics)
    assert any("lineage" in note for note in plan.notes)
    later = plan_of(run, SECOND)
    assert any(f"as on {FIRST}" in note for note in later.notes)
    assert {step.stage for step in later.worker} == {"candidates", "clusters", "profiles", "report"}
    for stage in ("candidates", "profiles", "report"):
        assert planned(later, stage) == planned(plan, stage)


def test_a_certificate_brings_its_cores(
    runner: Callable[..., Runner], raw: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ShardSizes, "within", classmethod(lambda cls, _: cls(0.0, 10**6)))
    run = runner(raw=raw, features={"vector": ["max(x)", "max(y)"]}, blocking={"type": "cells"}, **NEAR)
    run.run(FIRST, until="candidates")
    plan = plan_of(run, FIRST)
    sent = operations(run.run(FIRST, until="clusters")["clusters"].manifest.metrics)
    assert planned(plan, "clusters").keys() == sent.keys() == {"forest", "cluster"}
