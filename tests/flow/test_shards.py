"""Days of many shards: the same labels as one invocation gives, whatever happens to the worker meanwhile."""

from __future__ import annotations

import itertools
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from cluster_assets.backends.local.sandbox import Sandbox
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import WorkerCapacityError, WorkerCrashedError
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.stages.candidates import search
from cluster_assets.stages.clusters.forests import ShardSizes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from cluster_assets.backends.local.runtime_api import Report
    from cluster_assets.backends.ports import Backend

DAY = "2026-01-05"
NEAR = {"metric": "euclidean", "threshold": 0.5}


def cloud(count: int) -> NDArray[np.float64]:
    chance = np.random.default_rng(23)
    middles = chance.uniform(0, 60, (40, 2))
    blobs = middles[chance.integers(0, 40, count)] + chance.normal(0, 0.9, (count, 2))
    return np.concatenate([blobs, chance.uniform(0, 60, (count // 5, 2)), blobs[: count // 10]])


@pytest.fixture
def backend(home: Path) -> Iterator[Backend]:
    """With workers of its own, which some tests kill."""
    with open_backend(load_settings()) as opened:
        yield opened


@pytest.fixture
def source(tmp_path: Path) -> tuple[dict[str, str], NDArray[np.float64]]:
    """A day of points, some entities at the same place."""
    values = cloud(3000)
    path = tmp_path / "lake" / "a.parquet"
    path.parent.mkdir(parents=True)
    listed = "[" + ", ".join(f"[{x!r}, {y!r}]" for x, y in values.tolist()) + "]"
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 6, '0') AS id, p[1] AS x, p[2] AS y "
        f"FROM (SELECT unnest({listed}) AS p, unnest(range({len(values)})) AS i)) "
        f"TO '{path}' (FORMAT parquet)"
    )
    return {"files": str(path), "time_column": "event_time"}, values


@pytest.fixture
def shards(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Has days be cut into shards, however small they are."""

    def cut(comparisons: int, rows: int) -> None:
        monkeypatch.setattr(search, "SHARDED_COMPARISONS", 0)
        monkeypatch.setattr(search, "COMPARISONS_A_SHARD", comparisons)
        monkeypatch.setattr(ShardSizes, "within", classmethod(lambda cls, _: cls(0.0, rows)))

    return cut


def pipeline(runner: Callable[..., Any], raw: dict[str, str], **more: Any) -> Any:
    attributes: dict[str, Any] = {
        "raw": raw,
        "features": {"vector": ["max(x)", "max(y)"]},
        "distance": NEAR,
        "algorithm": {"type": "dbscan", "min_samples": 6},
        "blocking": {"type": "join"},
    }
    return runner(**attributes | more)


def labels_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = DBSCAN(eps=0.5, min_samples=6).fit(values).labels_
    return labels


def calls_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = json.loads(results["clusters"].manifest.metrics["invocation_table"])
    return calls


@pytest.mark.parametrize(("comparisons", "rows"), [(10**9, 10**9), (6_000, 3_000), (1_000, 1)])
def test_dbscan_of_any_number_of_shards_is_scikit_learns(
    runner: Callable[..., Any], source: Any, shards: Any, comparisons: int, rows: int
) -> None:
    raw, values = source
    shards(comparisons, rows)
    day = pipeline(runner, raw)
    results = day.run(DAY)
    truth = DBSCAN(eps=0.5, min_samples=6).fit(values)
    clusters = day.table("clusters", DAY)
    assert np.array_equal(clusters["cluster"], truth.labels_)
    assert (clusters["role"] == "core").sum() == len(truth.core_sample_indices_)
    metrics = results["clusters"].manifest.metrics
    files = len(results["candidates"].manifest.tables["candidates"].files)
    assert metrics["shards"] <= files
    assert (metrics["shards"] > 1) == (comparisons < 10**9)
    assert {call["name"].split()[0] for call in calls_of(results)} == {
        "degrees",
        "cores",
        "forest",
        "cluster",
    }


def test_shards_by_region_leave_about_as_many_pairs_as_points(
    runner: Callable[..., Any], source: Any, shards: Any
) -> None:
    raw, _ = source
    shards(2_000, 1)
    wide = {"metric": "euclidean", "threshold": 1.0}
    day = pipeline(runner, raw, algorithm={"type": "connected_components"}, distance=wide)
    metrics = day.run(DAY)["clusters"].manifest.metrics
    assert metrics["shards"] > 10
    assert metrics["forest_pairs"] < 1.5 * metrics["points"] < 0.3 * metrics["pairs"]


def test_what_a_dead_run_finished_is_not_computed_again(
    runner: Callable[..., Any], source: Any, shards: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, values = source
    shards(4_000, 1)
    day = pipeline(runner, raw)
    real = type(day.backend.engine).unload

    def fail(*arguments: Any) -> Any:
        if arguments[3].name == "clusters":
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(type(day.backend.engine), "unload", fail)
        with pytest.raises(KeyboardInterrupt):
            day.run(DAY)
    metrics = day.run(DAY)["clusters"].manifest.metrics
    assert metrics["invocations_reused"] == metrics["invocations"] > 5
    assert metrics["worker_seconds"] == 0
    assert np.array_equal(
        day.table("clusters", DAY)["cluster"], DBSCAN(eps=0.5, min_samples=6).fit(values).labels_
    )
    forced = day.run(DAY, force=True)["clusters"].manifest
    assert forced.metrics["invocations_reused"] == 0
    assert forced.content_digest == day.ledger.require("clusters", parse_day(DAY)).content_digest


def test_killed_workers_are_replaced_and_the_labels_are_the_same(
    runner: Callable[..., Any], source: Any, shards: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, values = source
    shards(4_000, 1)
    day = pipeline(runner, raw)
    day.run(DAY, until="candidates")  # so that those that are killed have shards to do
    invoke, calls = Sandbox.invoke, itertools.count()

    def invoke_and_kill(sandbox: Sandbox, body: bytes) -> Report:
        if next(calls) < 2:  # the third failure of a shard would be its last
            assert sandbox._process is not None
            os.kill(sandbox._process.pid, signal.SIGKILL)
        return invoke(sandbox, body)

    monkeypatch.setattr(Sandbox, "invoke", invoke_and_kill)
    results = day.run(DAY)
    assert max(call["attempts"] for call in calls_of(results)) > 1
    assert np.array_equal(
        day.table("clusters", DAY)["cluster"], DBSCAN(eps=0.5, min_samples=6).fit(values).labels_
    )


def test_without_another_try_a_killed_worker_ends_the_day(
    runner: Callable[..., Any], source: Any, shards: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster_assets.stages.worker.dispatch.MOST_FAILURES", 1)
    with pytest.raises(WorkerCrashedError):
        test_killed_workers_are_replaced_and_the_labels_are_the_same(runner, source, shards, monkeypatch)


def test_a_day_whose_points_do_not_fit_is_refused_with_the_number_that_would(
    runner: Callable[..., Any], source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, _ = source
    monkeypatch.setattr(
        "cluster_assets.stages.clusters.forests.cluster_memory_mb", lambda _, points, __: points / 10
    )
    day = pipeline(runner, raw, limits={"memory_mb": 256})
    with pytest.raises(WorkerCapacityError, match="takes about 360 MiB") as refused:
        day.run(DAY)
    assert "425" in str(refused.value.remedy)
