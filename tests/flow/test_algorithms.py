"""Each algorithm through the stages and the local Lambda, against scikit-learn on all entities of the day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from sklearn.cluster import HDBSCAN, OPTICS, AffinityPropagation, AgglomerativeClustering, MeanShift
from sklearn.metrics import adjusted_rand_score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from cluster_assets.stages.stage import DayResult

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

    def run(
        algorithm: dict[str, Any], **more: Any
    ) -> tuple[NDArray[np.int64], dict[str, DayResult], NDArray[np.float64]]:
        pipeline = runner(
            raw={"files": str(path), "time_column": "event_time"},
            features={"vector": ["max(x)", "max(y)"]},
            algorithm=algorithm,
            **more,
        )
        results = pipeline.run(DAY)
        clusters = pipeline.table("clusters", DAY)
        run.table = clusters  # type: ignore[attr-defined]
        run.pipeline = pipeline  # type: ignore[attr-defined]
        return clusters["cluster"].to_numpy(), results, values

    return run


NEAR = {"distance": {"metric": "euclidean", "threshold": THRESHOLD}}


def same(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> None:
    """Equal up to the numbers of clusters; noise is noise."""
    assert np.array_equal(ours == -1, theirs == -1)
    assert adjusted_rand_score(ours, theirs) == 1.0
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


def test_any_other_clusterer_of_scikit_learn_runs_on_each_component(day: Callable[..., Any]) -> None:
    params = {"damping": 0.8, "random_state": 3, "max_iter": 500}
    ours, results, values = day(
        {"sklearn": {"class": "sklearn.cluster.AffinityPropagation", "params": params}}, **NEAR
    )
    parts, _, _ = day({"type": "connected_components"}, **NEAR)
    for part in range(parts.max() + 1):
        rows = np.flatnonzero(parts == part)
        if len(rows) > 10:
            alone = AffinityPropagation(**params).fit_predict(values[rows])
            assert adjusted_rand_score(ours[rows], alone) == 1.0
    assert results["clusters"].manifest.metrics["clusters"] >= parts.max() + 1


@pytest.mark.parametrize(
    "options",
    [{}, {"xi": 0.2, "min_cluster_size": 12}, {"cluster_method": "dbscan", "eps": 0.6}],
    ids=["xi", "steep", "dbscan"],
)
def test_optics(day: Callable[..., Any], options: dict[str, Any]) -> None:
    ours, _, values = day({"type": "optics", "min_samples": 6, **options}, **NEAR)
    whole = OPTICS(max_eps=THRESHOLD, min_samples=6, algorithm="kd_tree", n_jobs=1, **options)
    same(ours, whole.fit_predict(values))


@pytest.mark.parametrize("cluster_all", [True, False])
def test_mean_shift(day: Callable[..., Any], cluster_all: bool) -> None:
    ours, _, values = day({"type": "mean_shift", "cluster_all": cluster_all}, **NEAR)
    same(ours, MeanShift(bandwidth=THRESHOLD / 2, cluster_all=cluster_all).fit_predict(values))


def test_single_linkage_with_its_dendrogram(day: Callable[..., Any]) -> None:
    ours, results, values = day({"type": "single_linkage", "dendrogram": True}, **NEAR)
    whole = AgglomerativeClustering(n_clusters=None, distance_threshold=THRESHOLD, linkage="single")
    same(ours, whole.fit_predict(values))
    tables = results["clusters"].manifest.tables
    points = results["points"].manifest.tables["points"].rows
    assert tables["dendrogram"].rows == points - (ours.max() + 1)


@pytest.mark.parametrize("method", ["eom", "leaf"])
def test_hdbscan_beyond_its_first_radius(day: Callable[..., Any], method: str) -> None:
    options = {"min_cluster_size": 8, "min_samples": 5, "cluster_selection_method": method}
    ours, results, values = day({"type": "hdbscan", **options}, **NEAR)
    whole = HDBSCAN(algorithm="brute", copy=True, **options).fit(values)
    same(ours, whole.labels_)
    probability = day.table["probability"].to_numpy()
    assert probability == pytest.approx(whole.probabilities_, abs=1e-9)
    assert results["clusters"].manifest.metrics["levels"] > 1
