"""Each cell of an exploration against scikit-learn, or against a run of the pipeline with that setting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from cluster_assets.cli import commands
from cluster_assets.components.suggestion import with_suggestion_check
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError, TooManyPairsError
from cluster_assets.operations.explore.grid import choose_grid
from cluster_assets.operations.explore.page import render_page
from cluster_assets.operations.explore.run import explore_days
from cluster_assets.operations.explore.watch import Watched, watch_threshold

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster_assets.operations.explore.findings import Findings

DAYS = ("2026-01-02", "2026-01-03")


@pytest.fixture
def until() -> str:
    """The last stage of the days that a test runs itself."""
    return "clusters"


def write_days(path: Path) -> tuple[dict[str, str], dict[str, pd.DataFrame]]:
    """Two days: blobs, some equal entities and some far ones; two thirds of the entities are on both."""
    found = {}
    for number, day in enumerate(DAYS):
        rng = np.random.default_rng(number)
        middles = np.random.default_rng(9).uniform(0, 20, (5, 2))
        values = middles[rng.integers(0, 5, 120)] + rng.normal(0, 0.6, (120, 2))
        values = np.concatenate([values, values[:30], rng.uniform(0, 20, (30, 2))]).round(3)
        ids = [f"{60 * number + k:04}" for k in range(len(values))]
        found[day] = pd.DataFrame({"id": ids, "x": values[:, 0], "y": values[:, 1]})
    rows = pd.concat([frame.assign(at=pd.Timestamp(day)) for day, frame in found.items()])  # noqa: F841  # read by SQL
    duckdb.sql(f"COPY (SELECT * FROM rows) TO '{path}' (FORMAT parquet)")
    return {"files": str(path), "time_column": "at"}, found


def explore(run: Any, *days: str, **settings: Any) -> Findings:
    grid = choose_grid(run.spec, **settings)
    return explore_days(run.spec, [parse_day(day) for day in days], (run.backend, run.ledger), grid)


def vectors(runner: Callable[..., Any], raw: dict[str, str], **changes: Any) -> Any:
    return runner(
        raw=raw,
        features={"vector": ["max(x)", "max(y)"]},
        distance={"metric": "euclidean", "threshold": 0.7},
        algorithm={"type": "dbscan", "min_samples": 4},
        **changes,
    )


def test_every_cell_of_two_days_is_scikit_learns(
    runner: Callable[..., Any], tmp_path: Path, home: Path
) -> None:
    raw, rows = write_days(tmp_path / "rows.parquet")
    run = vectors(runner, raw)
    found = explore(run, *DAYS)
    labels: dict[Any, Any] = {}
    for day in found.days:
        values = rows[day.day][["x", "y"]].to_numpy()
        assert len(day.settings) >= 50
        for one in day.settings:
            truth = DBSCAN(eps=one.threshold, min_samples=one.min_samples).fit(values).labels_
            labels[day.day, one.threshold, one.min_samples] = truth
            sizes = np.bincount(truth[truth >= 0], minlength=1)
            assert (one.clusters, one.noise) == (truth.max() + 1, (truth < 0).sum())
            assert (one.largest, one.in_clusters) == (sizes.max(), (truth >= 0).sum())
    common = [set(rows[day]["id"]) for day in DAYS]
    for one in found.days[1].settings:
        sides = [
            np.where(side < 0, -1 - np.arange(len(side)), side)[rows[day]["id"].isin(common[0] & common[1])]
            for day in DAYS
            for side in [labels[day, one.threshold, one.min_samples]]
        ]
        assert one.agreement_days == pytest.approx(adjusted_rand_score(*sides), abs=1e-8)
    assert {stage: len(run.ledger.days(stage)) for stage in ("raw", "points", "candidates")} == {
        "raw": 2,
        "points": 2,
        "candidates": 0,
    }
    assert not [
        path for path in (home / "warehouse").rglob("*") if path.is_file() and "candidates" in str(path)
    ]
    page = render_page(found).decode()
    assert page.count("<svg") == 7
    assert found.suggestion.reason in page
    assert "<script" not in page


def test_cells_of_sets_are_those_of_runs(runner: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "sets.parquet"
    duckdb.sql(
        "COPY (SELECT TIMESTAMP '2026-01-02' AS at, lpad(i::VARCHAR, 4, '0') AS id, "
        "'t' || (i % 7 * 10 + hash(i * 31 + j) % (4 + i % 5)) AS token "
        f"FROM range(160) AS a(i), range(6) AS b(j)) TO '{path}' (FORMAT parquet)"
    )
    shape: dict[str, Any] = {"raw": {"files": str(path), "time_column": "at"}, "features": {"set": "token"}}

    def at(threshold: float, samples: int) -> Any:
        distance = {"metric": "jaccard", "threshold": threshold}
        return runner(**shape, distance=distance, algorithm={"type": "dbscan", "min_samples": samples})

    thresholds = (0.2, 0.25, 0.4, 0.5)  # which are distances of sets, too
    found = explore(at(0.4, 5), DAYS[0], thresholds=thresholds, min_samples=(3, 5))
    noise = set()
    for one in found.settings:
        run = at(one.threshold, one.min_samples)
        metrics = run.run(DAYS[0])["clusters"].manifest.metrics
        largest = run.table("clusters", DAYS[0]).query("cluster >= 0").groupby("cluster").size().max()
        assert (one.clusters, one.noise) == (metrics["clusters"], round(metrics["noise_ratio"] * 160))
        assert one.largest == largest
        noise.add(one.noise)
    assert len(noise) >= 4


def test_components_have_no_min_samples(runner: Callable[..., Any], tmp_path: Path) -> None:
    raw, rows = write_days(tmp_path / "rows.parquet")
    changes = {
        "distance": {"metric": "euclidean", "threshold": 0.7},
        "features": {"vector": ["max(x)", "max(y)"]},
    }
    run = runner(raw=raw, algorithm={"type": "connected_components"}, **changes)
    found = explore(run, DAYS[0], thresholds=(0.5,))
    assert [(one.threshold, one.min_samples) for one in found.settings] == [(0.5, 1), (0.7, 1)]
    truth = DBSCAN(eps=0.7, min_samples=1).fit(rows[DAYS[0]][["x", "y"]]).labels_
    one = found.settings[1]
    assert (one.clusters, one.single) == (truth.max() + 1, (np.bincount(truth) == 1).sum())
    with pytest.raises(SpecError, match="connected_components has no min_samples"):
        choose_grid(run.spec, min_samples=(3,))
    kmeans = runner(raw=raw, algorithm={"type": "kmeans", "n_clusters": 3}, features=changes["features"])
    with pytest.raises(
        SpecError, match="kmeans is not one of dbscan, connected_components and single_linkage"
    ):
        choose_grid(kmeans.spec)


def test_thresholds_with_too_many_pairs_are_left_out(runner: Callable[..., Any], tmp_path: Path) -> None:
    raw, _ = write_days(tmp_path / "rows.parquet")
    found = explore(vectors(runner, raw, limits={"max_pairs": 1500}), DAYS[0], thresholds=(0.3, 0.5, 9.0))
    assert found.grid.thresholds == (0.3, 0.5, 0.7)
    assert found.days[0].left_out.startswith("thresholds from 9 on are left out: near pairs of 150 points")
    assert found.days[0].pairs <= 1500
    with pytest.raises(TooManyPairsError):
        explore(vectors(runner, raw, limits={"max_pairs": 1}), DAYS[0])


def test_the_command_suggests_and_applies(
    home: Path, defs_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, _ = write_days(tmp_path / "rows.parquet")
    path = defs_folder / "blobs" / "defs.yaml"
    path.parent.mkdir()
    text = f"""\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: blobs
  start_date: 2026-01-01
  raw: {{files: "{raw["files"]}", time_column: at}}
  entity: id
  features: {{vector: [max(x), max(y)]}}
  distance: {{metric: euclidean, threshold: 0.1}}  # far too small
  algorithm:
    type: dbscan  # five by default
"""
    path.write_text(text)
    page = tmp_path / "page.html"
    arguments = ["explore", "blobs", "--day", DAYS[0], "--thresholds", "0.1,0.7,1"]
    done = CliRunner().invoke(commands, [*arguments, "--output", str(page)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "suggested (>): threshold" in done.stdout
    assert f"{DAYS[0]}: pairs within 1" in done.stderr
    assert page.read_text().startswith("<!doctype html>")
    assert path.read_text() == text
    samples = ["--min-samples", "3", "--format", "json", "--apply"]
    done = CliRunner().invoke(commands, [*arguments, *samples], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert len(found["settings"]) == 6
    chosen = found["suggested"]
    assert chosen["changes"]
    expected = text.replace("threshold: 0.1}", f"threshold: {chosen['threshold']:g}}}")
    if chosen["min_samples"] != 5:
        expected = expected.replace("dbscan  #", f"dbscan\n    min_samples: {chosen['min_samples']}  #")
    assert path.read_text() == expected
    assert list(path.parent.iterdir()) == [path]


def test_the_check_warns_of_a_threshold_far_from_the_suggested_one(
    runner: Callable[..., Any], tmp_path: Path
) -> None:
    raw, _ = write_days(tmp_path / "rows.parquet")
    run = vectors(runner, raw, checks={"suggestion": {"factor": 1.5}})
    place = (run.backend, run.ledger)
    assert watch_threshold(run.spec, *place, 1.5) == Watched(True, "no day is published")
    for day in DAYS:
        run.run(day)
    suggested = explore(run, DAYS[1], min_samples=[4]).suggestion.threshold
    near = run.spec.model_copy(update={"distance": run.spec.near.model_copy(update={"threshold": suggested})})
    found = watch_threshold(near, *place, 1.5)
    assert found.passed, found.description
    assert found.numbers["day"] == DAYS[1]

    far = {"distance": run.spec.near.model_copy(update={"threshold": suggested / 4})}
    found = watch_threshold(run.spec.model_copy(update=far), *place, 1.5)
    assert not found.passed
    assert "instead of" in found.description
    assert found.numbers["suggested_threshold"] > 1.5 * suggested / 4

    check = dg.AssetCheckKey(dg.AssetKey(["demo", "clusters"]), "threshold_suggested")
    pipeline = with_suggestion_check(dg.Definitions(), run.spec)
    job = dg.define_asset_job("watch", selection=dg.AssetSelection.checks(check))
    done = dg.Definitions.merge(pipeline, dg.Definitions(jobs=[job])).resolve_job_def("watch")
    with dg.DagsterInstance.ephemeral() as instance:
        (evaluation,) = done.execute_in_process(instance=instance).get_asset_check_evaluations()
    assert evaluation.severity == dg.AssetCheckSeverity.WARN
    assert evaluation.metadata["configured_threshold"].value == 0.7


def test_the_check_needs_an_algorithm_that_can_be_explored(runner: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"suggestion explores thresholds of dbscan.*not of hdbscan"):
        runner(
            raw={"files": "rows.parquet", "time_column": "at"},
            features={"vector": ["max(x)", "max(y)"]},
            distance={"metric": "euclidean", "threshold": 0.7},
            algorithm={"type": "hdbscan", "min_cluster_size": 4},
            checks={"suggestion": {}},
        )
