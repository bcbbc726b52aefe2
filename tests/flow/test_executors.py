"""Each executor through the stages: the same clusters, its numbers in the metadata; estimates before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
import yaml
from sklearn.cluster import DBSCAN

import cluster_assets
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import TooManyPairsError, WorkerCapacityError
from cluster_assets.operations.estimates import estimate_day
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.stages.candidates import planner
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = "2026-01-02"
PAIR = ["point_a", "point_b", "distance"]


def write(path: Path, columns: str, rows: int) -> dict[str, str]:
    """Rows of one day, an entity each: `columns` is SQL over i = 0, 1, …"""
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 6, '0') AS id, {columns} "
        f"FROM range({rows}) AS t(i)) TO '{path}' (FORMAT parquet)"
    )
    return {"files": str(path), "time_column": "event_time"}


def blob(count: int, dimensions: int) -> np.ndarray:
    chance = np.random.default_rng(5)
    middles = chance.uniform(0, 20, (12, dimensions))
    return np.concatenate(
        [middles[chance.integers(0, 12, count // 2)] + chance.normal(0, 1, (count // 2, dimensions)),
         chance.uniform(0, 20, (count - count // 2, dimensions))]
    )  # fmt: skip


def write_values(path: Path, values: np.ndarray) -> dict[str, str]:
    listed = "[" + ", ".join("[" + ", ".join(map(repr, row)) + "]" for row in values.tolist()) + "]"
    columns = ", ".join(f"p[{k + 1}] AS x{k}" for k in range(values.shape[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 6, '0') AS id, p, {columns} FROM "
        f"(SELECT unnest({listed}) AS p, unnest(range({len(values)})) AS i)) TO '{path}' (FORMAT parquet)"
    )
    return {"files": str(path), "time_column": "event_time"}


@pytest.mark.parametrize("executor", ["join", "cells", "blocks"])
@pytest.mark.parametrize(("dimensions", "threshold"), [(2, 0.9), (3, 0.9), (4, 1.2)])
def test_the_clusters_are_scikit_learns_whatever_the_executor(
    runner: Callable[..., Any], tmp_path: Path, executor: str, dimensions: int, threshold: float
) -> None:
    values = blob(1500, dimensions)
    run = runner(
        raw=write_values(tmp_path / "lake" / "a.parquet", values),
        features={"vector": [f"max(x{k})" for k in range(dimensions)]},
        distance={"metric": "euclidean", "threshold": threshold},
        algorithm={"type": "dbscan", "min_samples": 6},
        blocking={"type": executor},
    )
    metrics = run.run(DAY)["candidates"].manifest.metrics
    truth = DBSCAN(eps=threshold, min_samples=6, algorithm="kd_tree").fit(values)
    clusters = run.table("clusters", DAY)
    assert np.array_equal(clusters["cluster"], truth.labels_)
    assert (clusters["role"] == "core").sum() == len(truth.core_sample_indices_)
    assert metrics["executor"] == executor
    assert ("certificate" in metrics) == (executor == "cells")


def test_a_dense_day_gets_a_certificate_by_itself(runner: Callable[..., Any], tmp_path: Path) -> None:
    raw = write(tmp_path / "a.parquet", "(i % 50) / 1000e0 + (i // 1500) AS x, (i % 30) / 1000e0 AS y", 3000)
    run = runner(
        raw=raw,
        features={"vector": ["max(x)", "max(y)"]},
        distance={"metric": "euclidean", "threshold": 0.5},
    )
    metrics = run.run(DAY)["candidates"].manifest.metrics
    points = int(metrics["points"])
    assert metrics["executor"] == "join", "few points: all pairs are listed"
    assert metrics["pairs"] <= metrics["comparisons"] <= points * (points - 1) // 2
    raw = write(tmp_path / "b.parquet", "i % 97 / 1e4 + (i // 3000) AS x, i / 1e7 AS y", 6000)
    dense = runner(
        raw=raw,
        features={"vector": ["max(x)", "max(y)"]},
        distance={"metric": "euclidean", "threshold": 0.5},
        name="dense",
    )
    metrics = dense.run(DAY)["candidates"].manifest.metrics
    assert metrics["executor"] == "cells"
    assert metrics["pairs"] < 2 * metrics["points"]
    found = dense.table("clusters", DAY)
    assert set(found["cluster"]) == {0, 1}


def test_a_dense_day_of_four_dimensions_lists_no_pairs(runner: Callable[..., Any], tmp_path: Path) -> None:
    """The demo's `behaviours` on a generated day, against scikit-learn on all entities."""
    day = "2013-03-04"
    write_sample(SampleConfig(tmp_path, parse_day(day), days=1, entities=16_000))
    demo = Path(cluster_assets.__file__).parent / "defs" / "behaviours" / "defs.yaml"
    attributes = yaml.safe_load(demo.read_text())["attributes"]
    raw = {"files": f"{tmp_path}/honeypot_*.parquet", "time_column": "event_time"}
    wanted = {key: attributes[key] for key in ("entity", "features", "distance", "algorithm", "start_date")}
    run = runner(raw=raw, name="behaviours", **wanted)
    metrics = run.run(day)["candidates"].manifest.metrics
    assert metrics["executor"] == "cells"
    assert metrics["pairs"] < metrics["points"]
    members, points = run.table("members", day), run.table("points", day).set_index("point_id")
    values = points.loc[members["point_id"], ["x0", "x1", "x2", "x3"]]
    truth = DBSCAN(eps=0.3, min_samples=5, algorithm="kd_tree").fit(values)
    clusters = run.table("clusters", day)
    assert clusters["entity"].tolist() == members["entity"].tolist()
    assert clusters["cluster"].tolist() == truth.labels_.tolist()
    cores = np.flatnonzero(clusters["role"] == "core")
    assert cores.tolist() == truth.core_sample_indices_.tolist()


def test_a_named_certificate_is_refused_where_no_invocation_holds_the_day(
    runner: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "MEMORY_FILL", 0.01)
    run = runner(
        raw=write_values(tmp_path / "a.parquet", blob(300, 4)),
        features={"vector": [f"max(x{k})" for k in range(4)]},
        distance={"metric": "euclidean", "threshold": 1.0},
        blocking={"type": "cells"},
    )
    with pytest.raises(WorkerCapacityError, match="300 points of 4 dimensions") as refused:
        run.run(DAY)
    assert "blocking: {type: blocks}" in str(refused.value.remedy)


def test_hashing_tells_its_recall(runner: Callable[..., Any], tmp_path: Path) -> None:
    raw = write(tmp_path / "a.parquet", "'t' || (i // 4) AS a, 'u' || (i // 2) AS b", 800)
    twice = duckdb.sql(f"SELECT * FROM '{raw['files']}'")
    duckdb.sql(
        f"COPY (FROM twice UNION ALL SELECT event_time, id, b, a FROM twice) TO '{tmp_path}/s.parquet'"
    )
    assert twice is not None
    run = runner(
        raw={"files": f"{tmp_path}/s.parquet", "time_column": "event_time"},
        features={"set": "a"},
        distance={"metric": "jaccard", "threshold": 0.7},
        blocking={"type": "lsh", "tables": 32, "rows": 1},
    )
    metrics = run.run(DAY)["candidates"].manifest.metrics
    assert metrics["executor"] == "lsh"
    assert metrics["recall_sample_points"] == metrics["points"]
    assert metrics["recall_sample_pairs"] > 0
    assert 0.9 <= metrics["recall"] <= 1
    assert metrics["pairs"] == round(metrics["recall"] * metrics["recall_sample_pairs"])


def test_hashing_of_embeddings(runner: Callable[..., Any], tmp_path: Path) -> None:
    values = blob(600, 16) - 10
    run = runner(
        raw=write_values(tmp_path / "a.parquet", values),
        features={"embedding": "any_value(p)"},
        distance={"metric": "cosine", "threshold": 0.05},
        blocking={"type": "lsh", "tables": 24, "rows": 6},
    )
    exact = runner(
        raw=run.spec.raw.model_dump(exclude_none=True),
        features={"embedding": "any_value(p)"},
        distance={"metric": "cosine", "threshold": 0.05},
        name="exact",
    )
    hashed, all_pairs = (
        {(a, b): d for a, b, d in each.table("candidates", DAY)[PAIR].to_numpy().tolist()}
        for each in (run, exact)
        if each.run(DAY)
    )
    assert exact.ledger.require("candidates", parse_day(DAY)).metrics["executor"] == "blocks"
    assert hashed.items() <= all_pairs.items()
    metrics = run.ledger.require("candidates", parse_day(DAY)).metrics
    assert metrics["recall"] == round(len(hashed) / len(all_pairs), 4)
    assert metrics["recall"] > 0.5


def test_blocks_refuse_too_many_pairs(runner: Callable[..., Any], tmp_path: Path) -> None:
    run = runner(
        raw=write_values(tmp_path / "a.parquet", blob(800, 8)),
        features={"vector": [f"max(x{k})" for k in range(8)]},
        distance={"metric": "euclidean", "threshold": 100},
        limits={"max_pairs": 1000},
    )
    with pytest.raises(TooManyPairsError, match="max_pairs"):
        run.run(DAY)


@pytest.mark.parametrize("until", STAGE_NAMES[-1:])
def test_an_estimate_runs_nothing_and_matches_the_run(runner: Callable[..., Any], tmp_path: Path) -> None:
    run = runner(
        raw=write_values(tmp_path / "a.parquet", blob(900, 2)),
        features={"vector": ["max(x0)", "max(x1)"]},
        distance={"metric": "euclidean", "threshold": 0.5},
    )
    job = DayJob(run.spec, run.backend, run.ledger, parse_day(DAY))
    before = estimate_day(job)
    assert list(run.backend.store.list("")) == []
    assert before.pairs is None
    assert set(before.stages.values()) == {"to compute"}
    assert before.athena_usd > 0

    done = run.run(DAY)
    objects = [found.key for found in run.backend.store.list("")]
    after = estimate_day(job)
    assert [found.key for found in run.backend.store.list("")] == objects
    assert set(after.stages.values()) == {"published"}
    assert after.athena_usd == after.lambda_usd == 0
    assert after.pairs is not None
    metrics = done["candidates"].manifest.metrics
    assert after.pairs.comparisons == metrics["comparisons"] >= metrics["pairs"]
    assert after.pairs.executor == metrics["executor"]
    # Only id, event_time, x0 and x1 are read, not the list p beside them.
    assert 0 < after.bytes_to_scan < after.source_bytes * 0.8
    points = done["points"].manifest.metrics
    assert points["bytes_scanned"] == points["bytes_foreseen"] == after.bytes_to_scan

    later = estimate_day(DayJob(run.spec, run.backend, run.ledger, parse_day("2026-01-03")))
    assert later.pairs is not None
    assert later.pairs.basis == DAY
    json.dumps(later.to_json())


WORDS = "substr(md5((i - i % 3)::VARCHAR), 1, 9) || (i % 3)"
DRAWN = ", ".join(f"'t' || hash(i // 3 * 8 + {k}) % 400" for k in range(8))
SHARED = f"unnest(['all', 'u' || i, {DRAWN}])"


@pytest.mark.parametrize(
    ("columns", "features", "distance"),
    [
        (f"CASE WHEN i % 7 = 0 THEN 'é' ELSE '' END || {WORDS} AS a", {"text": "max(a)"}, ("levenshtein", 2)),
        (f"{SHARED} AS a", {"set": "a"}, ("jaccard", 0.4)),
    ],
)
def test_many_texts_and_sets_are_joined_by_the_worker(
    runner: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    features: dict[str, Any],
    distance: tuple[str, float],
) -> None:
    monkeypatch.setattr("cluster_assets.stages.candidates.planner.MANY_POINTS", 600)
    raw = write(tmp_path / "a.parquet", columns, 900)
    asked = {"raw": raw, "features": features, "distance": {"metric": distance[0], "threshold": distance[1]}}
    found = {}
    for executor, blocking in (("blocks", {}), ("join", {"blocking": {"type": "join"}})):
        run = runner(**asked, **blocking, name=f"by_{executor}")
        metrics = run.run(DAY)["candidates"].manifest.metrics
        assert metrics["executor"] == executor
        assert metrics["points"] == 900
        found[executor] = run.table("candidates", DAY).sort_values(PAIR).reset_index(drop=True)
    assert len(found["join"]) >= 600
    assert found["blocks"].equals(found["join"])


def test_what_the_worker_declines_is_joined_in_sql(
    runner: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster_assets.stages.candidates.planner.MANY_POINTS", 600)
    monkeypatch.setattr("cluster_assets.stages.candidates.joins._MOST_TESTS", 10)
    raw = write(tmp_path / "a.parquet", f"{WORDS} AS a", 900)
    run = runner(raw=raw, features={"text": "max(a)"}, distance={"metric": "levenshtein", "threshold": 1})
    metrics = run.run(DAY)["candidates"].manifest.metrics
    assert metrics["executor"] == "join"
    assert "more than 10 pairs of points share a key" in metrics["executor_reason"]
    assert metrics["pairs"] == 900


def test_a_named_executor_that_cannot_hold_the_points_says_so(
    runner: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = "cluster_assets.stages.candidates.joins.memory_to_fill"
    monkeypatch.setattr(little, lambda limits: limits.memory_mb / 1000)
    raw = write(tmp_path / "a.parquet", f"{WORDS} AS a", 100)
    run = runner(
        raw=raw,
        features={"text": "max(a)"},
        distance={"metric": "levenshtein", "threshold": 1},
        blocking={"type": "blocks"},
    )
    with pytest.raises(WorkerCapacityError, match=r"(?s)do not fit into .* raise limits.memory_mb"):
        run.run(DAY)
