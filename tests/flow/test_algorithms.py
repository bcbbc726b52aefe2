"""Each algorithm through the stages and the local Lambda, against scikit-learn on all entities of the day."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    OPTICS,
    AgglomerativeClustering,
    Birch,
    KMeans,
    MeanShift,
)
from sklearn.metrics import adjusted_rand_score

from cluster_assets.assets.records import day_metadata
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SpecError, UpstreamMissingError
from cluster_assets.operations.exports import export_table
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.stages.clusters.stage import ClustersStage
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cluster_assets.stages.day.job import DayResult

DAY = "2026-01-05"
THRESHOLD = 1.1


def cloud(count: int = 400) -> NDArray[np.float64]:
    """Blobs, scattered points, and some entities that are the same."""
    chance = np.random.default_rng(17)
    middles = chance.uniform(0, 30, (9, 2))
    blobs = middles[chance.integers(0, 9, count)] + chance.normal(0, 0.7, (count, 2))
    return np.concatenate([blobs, chance.uniform(0, 30, (count // 8, 2)), blobs[:40], blobs[:10]])


@pytest.fixture
def day(runner: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs a day of the cloud by an algorithm; answers labels by entity, results and the cloud."""
    values = cloud()
    path = tmp_path / "lake" / "a.parquet"
    path.parent.mkdir(parents=True)
    listed = "[" + ", ".join(f"[{x!r}, {y!r}]" for x, y in values.tolist()) + "]"
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 6, '0') AS id, p[1] AS x, p[2] AS y "
        f"FROM (SELECT unnest({listed}) AS p, unnest(range({len(values)})) AS i)) "
        f"TO '{path}' (FORMAT parquet)"
    )

    def pipeline(**attributes: Any) -> Any:
        return runner(
            raw={"files": str(path), "time_column": "event_time"},
            features={"vector": ["max(x)", "max(y)"]},
            **attributes,
        )

    def run(
        algorithm: dict[str, Any], **more: Any
    ) -> tuple[NDArray[np.int64], dict[str, DayResult], NDArray[np.float64]]:
        ran = pipeline(algorithm=algorithm, **more)
        results = ran.run(DAY)
        clusters = ran.table("clusters", DAY)
        run.table, run.ledger, run.pipeline = clusters, ran.ledger, pipeline  # type: ignore[attr-defined]
        return clusters["cluster"].to_numpy(), results, values

    return run


NEAR = {"distance": {"metric": "euclidean", "threshold": THRESHOLD}}


def same_groups(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> None:
    assert np.array_equal(ours == -1, theirs == -1)
    assert adjusted_rand_score(ours, theirs) == 1.0


def same(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> None:
    """Equal up to the numbers of clusters; noise is noise."""
    same_groups(ours, theirs)
    firsts = [int(np.argmax(ours == number)) for number in range(ours.max() + 1)]
    assert firsts == sorted(firsts), "clusters are numbered by their first entity"


@pytest.mark.parametrize("linkage", ["single", "complete", "average", "ward"])
def test_agglomerative(day: Callable[..., Any], linkage: str) -> None:
    ours, results, values = day({"type": "agglomerative", "linkage": linkage}, **NEAR)
    whole = AgglomerativeClustering(n_clusters=None, distance_threshold=THRESHOLD, linkage=linkage)
    same(ours, whole.fit_predict(values))
    metrics = results["clusters"].manifest.metrics
    assert metrics["components"] > 5
    assert metrics["bins"] == 1
    assert metrics["invocations"] == 4, "components, bins, one bin, numbers"
    assert metrics["contested_merges"] == 0


@pytest.mark.parametrize("algorithm", [{"type": "agglomerative"}, {"type": "hdbscan", "min_cluster_size": 2}])
def test_contested_merges_are_reported_wherever_people_look(
    runner: Callable[..., Any], tmp_path: Path, algorithm: dict[str, Any]
) -> None:
    """Points in a row, all as far apart: which pairs merge first is anybody's choice."""
    query = f"SELECT TIMESTAMP '{DAY}' AS event_time, i AS id, 1e0 * i AS x FROM range(10, 19) AS t(i)"
    duckdb.sql(f"COPY ({query}) TO '{tmp_path}/a.parquet' (FORMAT parquet)")
    run = runner(
        raw={"files": f"{tmp_path}/a.parquet", "time_column": "event_time"},
        features={"vector": ["max(x)"]},
        algorithm=algorithm,
        **NEAR,
    )
    results = run.run(DAY, until="report")
    contested = results["clusters"].manifest.metrics["contested_merges"]
    assert contested == {"agglomerative": 4, "hdbscan": 1}[algorithm["type"]]
    assert summarize_day(run.ledger, parse_day(DAY)).contested_merges == contested
    metadata = day_metadata(results["clusters"])
    assert metadata["contested_merges"] == contested
    report = Path(run.ledger.document_uri(results["report"].manifest, "report.html")).read_text("utf-8")
    line = re.search(r"<td>contested merges[^<]*</td><td class=\"n\">(\d+)</td>", report)
    assert line is not None
    assert int(line[1]) == contested


def test_any_other_clusterer_of_scikit_learn_runs_on_each_component(day: Callable[..., Any]) -> None:
    # Narrower than the threshold, so that no cluster of it reaches beyond a component.
    params = {"eps": 0.6, "min_samples": 4}
    ours, results, values = day({"sklearn": {"class": "sklearn.cluster.DBSCAN", "params": params}}, **NEAR)
    same(ours, DBSCAN(**params).fit_predict(values))
    assert results["clusters"].manifest.metrics["components"] > 5


@pytest.mark.parametrize(
    "options",
    [{}, {"xi": 0.2, "min_cluster_size": 12}, {"cluster_method": "dbscan", "eps": 0.6}],
    ids=["xi", "steep", "dbscan"],
)
def test_optics(day: Callable[..., Any], options: dict[str, Any]) -> None:
    ours, results, values = day({"type": "optics", "min_samples": 6, **options}, **NEAR)
    # Its order follows that of the entities; ours has those that are the same stand together.
    points = day.table["point_id"].to_numpy()
    order = points.argsort(kind="stable")
    whole = OPTICS(max_eps=THRESHOLD, min_samples=6, algorithm="kd_tree", n_jobs=1, **options)
    theirs = whole.fit_predict(values[order])
    plot = duckdb.sql(
        f"SELECT * FROM read_parquet({list(day.ledger.uris(results['clusters'].manifest, 'reachability'))}) "
        "ORDER BY start, position"
    ).df()
    assert plot["entities"].sum() == len(values)
    reached = plot["reachability"].repeat(plot["entities"]).fillna(np.inf)
    np.testing.assert_allclose(reached, whole.reachability_[whole.ordering_], rtol=1e-9)
    # A slope may begin between entities that are the same; ours all get one label.
    torn = [point for point in np.unique(points) if len(np.unique(theirs[points[order] == point])) > 1]
    assert len(torn) <= 3
    kept = ~np.isin(points[order], torn)
    same_groups(ours[order][kept], theirs[kept])


@pytest.mark.parametrize("cluster_all", [True, False])
def test_mean_shift(day: Callable[..., Any], cluster_all: bool) -> None:
    ours, _, values = day({"type": "mean_shift", "cluster_all": cluster_all}, **NEAR)
    same(ours, MeanShift(bandwidth=THRESHOLD / 2, cluster_all=cluster_all).fit_predict(values))


def test_single_linkage_with_its_dendrogram(day: Callable[..., Any], tmp_path: Path) -> None:
    ours, results, values = day({"type": "single_linkage", "dendrogram": True}, **NEAR)
    whole = AgglomerativeClustering(n_clusters=None, distance_threshold=THRESHOLD, linkage="single")
    same(ours, whole.fit_predict(values))
    tables = results["clusters"].manifest.tables
    points = results["points"].manifest.tables["points"].rows
    assert tables["dendrogram"].rows == points - (ours.max() + 1)
    exported = tmp_path / "merges.csv"
    assert export_table(day.ledger, "dendrogram", parse_day(DAY), exported) == tables["dendrogram"].rows
    assert exported.read_text().startswith("left,right,distance,size\n")
    day({"type": "single_linkage"}, **NEAR)
    with pytest.raises(SpecError, match="no table dendrogram"):
        export_table(day.ledger, "dendrogram", parse_day(DAY), exported)


BY_LEVELS: dict[str, Any] = {"blocking": {"type": "join"}}


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize("way", ["in_worker", "levels"])
def test_hdbscan_without_ties(day: Callable[..., Any], method: str, way: str) -> None:
    # One entity is its own neighbour: the core distances are 0, and no two merges are equal but at 0.
    options = {"min_cluster_size": 8, "min_samples": 1, "cluster_selection_method": method}
    more = BY_LEVELS if way == "levels" else {}
    ours, results, values = day({"type": "hdbscan", **options}, **NEAR, **more)
    whole = HDBSCAN(algorithm="brute", copy=True, **options).fit(values)
    metrics, candidates = (results[stage].manifest.metrics for stage in ("clusters", "candidates"))
    assert metrics["contested_merges"] == 0
    assert metrics.get("levels", 0) > 1 if more else candidates["executor"] == "in_worker"
    assert (candidates["pairs"] > 0) == bool(more)
    same(ours, whole.labels_)
    assert day.table["probability"].to_numpy() == pytest.approx(whole.probabilities_, abs=1e-9)


def test_hdbscan_orders_ties_by_its_own_rule_and_reports_them(day: Callable[..., Any]) -> None:
    options = {"min_cluster_size": 8, "min_samples": 5}
    ours, results, values = day({"type": "hdbscan", **options}, **NEAR)
    whole = HDBSCAN(algorithm="brute", copy=True, **options).fit(values)
    assert results["clusters"].manifest.metrics["contested_merges"] > 0
    assert adjusted_rand_score(ours, whole.labels_) > 0.95
    for threshold in (THRESHOLD, 7.0):
        near = {"distance": {"metric": "euclidean", "threshold": threshold}}
        levels, again, _ = day({"type": "hdbscan", **options}, **near, **BY_LEVELS)
        assert np.array_equal(ours, levels), "neither levels nor their first radius change anything"
        numbers = [one["clusters"].manifest.metrics for one in (results, again)]
        assert numbers[0]["contested_merges"] == numbers[1]["contested_merges"]


def test_hdbscan_reads_points_only_if_one_invocation_holds_them(
    runner: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = f"SELECT TIMESTAMP '{DAY}' AS event_time, i AS id, 1e0 * i * i AS x FROM range(40) AS t(i)"
    duckdb.sql(f"COPY ({query}) TO '{tmp_path}/a.parquet' (FORMAT parquet)")

    def run(algorithm: dict[str, Any]) -> tuple[dict[str, DayResult], Any]:
        ran = runner(
            raw={"files": f"{tmp_path}/a.parquet", "time_column": "event_time"},
            features={"vector": ["max(x)"]},
            algorithm=algorithm,
            distance={"metric": "euclidean", "threshold": 20.0},
        )
        return ran.run(DAY, until="clusters"), ran

    hdbscan = {"type": "hdbscan", "min_cluster_size": 3}
    first, ran = run(hdbscan)
    assert first["candidates"].manifest.metrics["executor"] == "in_worker"
    reason = first["candidates"].manifest.metrics["executor_reason"]
    assert reason == "hdbscan reads the coordinates of 40 points"
    labels = ran.table("clusters", DAY)

    dbscan, _ = run({"type": "dbscan", "min_samples": 3})
    assert dbscan["candidates"].manifest.metrics["pairs"] > 0, "the empty table is not used again"

    needed = "cluster_assets.stages.candidates.planner.hdbscan_points_memory_mb"
    monkeypatch.setattr(needed, lambda *_: 10_000.0)
    second, ran = run(hdbscan)
    metrics = second["candidates"].manifest.metrics
    assert (metrics["executor"], metrics["pairs"] > 0) == ("join", True)
    assert ran.table("clusters", DAY).equals(labels)


def test_hdbscan_of_places_is_that_of_scikit_learn(runner: Callable[..., Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    centres = np.array([[59.0, 179.99], [-30.0, 10.0], [59.0, -179.9], [0.0, 0.0]])
    places = centres[rng.integers(0, 4, 300)] + rng.normal(0, 0.02, (300, 2))
    places[:, 1] = (places[:, 1] + 180) % 360 - 180
    listed = "[" + ", ".join(f"[{a!r}, {b!r}]" for a, b in places.tolist()) + "]"
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 6, '0') AS id, p[1] AS a, p[2] AS b "
        f"FROM (SELECT unnest({listed}) AS p, unnest(range(300)) AS i)) "
        f"TO '{tmp_path}/a.parquet' (FORMAT parquet)"
    )
    options = {"min_cluster_size": 8, "min_samples": 1}
    ran = runner(
        raw={"files": f"{tmp_path}/a.parquet", "time_column": "event_time"},
        features={"geo": {"latitude": "max(a)", "longitude": "max(b)"}},
        algorithm={"type": "hdbscan", **options},
        distance={"metric": "haversine", "threshold": 1000.0},
    )
    results = ran.run(DAY)
    assert results["candidates"].manifest.metrics["executor"] == "in_worker"
    whole = HDBSCAN(metric="haversine", algorithm="ball_tree", copy=True, **options).fit(np.radians(places))
    table = ran.table("clusters", DAY)
    same(table["cluster"].to_numpy(), whole.labels_)
    assert table["probability"].to_numpy() == pytest.approx(whole.probabilities_, abs=1e-6)


def test_kmeans_is_where_scikit_learn_stays(day: Callable[..., Any]) -> None:
    ours, results, values = day({"type": "kmeans", "n_clusters": 9, "seed": 4})
    centres = np.array([values[ours == number].mean(axis=0) for number in range(9)])
    again = KMeans(9, init=centres, n_init=1, tol=0).fit(values)
    assert again.n_iter_ <= 2
    same(ours, again.labels_)
    metrics = results["clusters"].manifest.metrics
    assert metrics["inertia"] == pytest.approx(again.inertia_)
    assert results["candidates"].manifest.metrics["pairs"] == 0


def test_birch_in_one_pass(day: Callable[..., Any]) -> None:
    ours, _, values = day({"type": "birch", "threshold": 2.0})
    assert len(ours) == len(values)
    whole = Birch(threshold=2.0, n_clusters=None).fit(values)
    assert abs(len(np.unique(ours)) - len(whole.subcluster_centers_)) <= 0.2 * len(whole.subcluster_centers_)


def test_minibatch_kmeans_finds_all_clusters(day: Callable[..., Any]) -> None:
    ours, _, values = day({"type": "minibatch_kmeans", "n_clusters": 9, "seed": 4})
    assert sorted(np.unique(ours)) == list(range(9))
    centres = np.array([values[ours == number].mean(axis=0) for number in range(9)])
    nearest = np.argmin(((values[:, None] - centres) ** 2).sum(axis=2), axis=1)
    assert (nearest == ours).mean() > 0.9


def test_another_threshold_is_another_day_although_the_pairs_are_the_same(
    runner: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, i::VARCHAR AS id, x FROM "
        f"(VALUES (0, 0e0), (1, 1.1e0), (2, 100e0)) t(i, x)) TO '{path}' (FORMAT parquet)"
    )

    def clusters(threshold: float, **algorithm: Any) -> list[int]:
        day = runner(
            raw={"files": str(path), "time_column": "event_time"},
            features={"vector": ["max(x)"]},
            distance={"metric": "euclidean", "threshold": threshold},
            algorithm=algorithm,
        )
        day.run(DAY)
        labels: list[int] = day.table("clusters", DAY)["cluster"].tolist()
        return labels

    assert clusters(2.0, type="mean_shift") == [0, 1, 2]
    assert clusters(2.5, type="mean_shift") == [0, 0, 1]


def test_clusters_refuse_candidates_made_for_another_algorithm(
    runner: Callable[..., Any], day: Callable[..., Any]
) -> None:
    day({"type": "dbscan", "min_samples": 4}, **NEAR, blocking={"type": "cells"})
    linkage = day.pipeline(algorithm={"type": "single_linkage"}, **NEAR)
    job = DayJob(linkage.spec, linkage.backend, linkage.ledger, parse_day(DAY))
    with pytest.raises(UpstreamMissingError, match="another state of: spec") as refused:
        run_day(ClustersStage(), job)
    assert "candidates" in str(refused.value.remedy)
