"""Days that break clusterers: no entity, one, all equal, none near, one chain, huge numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.errors import (
    ClusterAssetsError,
    WorkerCrashedError,
    WorkerMemoryError,
    WorkerUserError,
)
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Backend

DAY = "2026-01-05"
NEAR = {"metric": "euclidean", "threshold": 1.0}
BY_PAIRS = [
    {"type": "dbscan", "min_samples": 3},
    {"type": "connected_components"},
    {"type": "single_linkage", "dendrogram": True},
    {"type": "hdbscan", "min_cluster_size": 3},
    {"type": "agglomerative", "linkage": "average"},
    {"type": "agglomerative", "linkage": "ward"},
    {"type": "optics", "min_samples": 3},
    {"type": "mean_shift"},
    {"type": "sklearn", "class": "sklearn.cluster.AgglomerativeClustering",
     "params": {"n_clusters": None, "distance_threshold": 1.0, "linkage": "complete"}},
]  # fmt: skip
BY_CENTRES = [
    {"type": "kmeans", "n_clusters": 3},
    {"type": "minibatch_kmeans", "n_clusters": 3},
    {"type": "birch", "threshold": 1.0},
]
# Rows of a day as SQL over i = 0, 1, ...; how many; and how many clusters all but the noise must make.
DAYS: dict[str, tuple[str, int]] = {
    "nobody": ("0e0", 0),
    "one": ("5e0", 1),
    "two apart": ("i * 100e0", 2),
    "all the same": ("7e0", 40),
    "all far apart": ("i * 1000e0", 25),
    "one chain": ("i * 0.9e0", 60),
    "huge": ("(i % 5) * 1e149", 30),
    "squares overflow": ("(i % 5) * 1e155", 30),
    "sums overflow": ("(i % 5) * 4e307", 30),
    "denormal and minus zero": ("CASE i % 3 WHEN 0 THEN -0e0 ELSE i * 5e-324 END", 30),
}


CHAINED = ("dbscan", "connected_components", "single_linkage")


def named(algorithm: dict[str, Any]) -> str:
    return "-".join(str(part) for part in algorithm.values() if isinstance(part, str))


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory, warm_workers: Callable[..., Any]) -> Iterator[Backend]:
    """One of all tests: the points of a source are the same whatever the algorithm."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(tmp_path_factory.mktemp("home")))
        with open_backend(load_settings()) as opened:
            yield replace(opened, invoker_for=warm_workers)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of each source."""
    folder = tmp_path_factory.mktemp("lake")
    for source, (value, rows) in DAYS.items():
        duckdb.sql(
            f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, lpad(i::VARCHAR, 4, '0') AS id, {value} AS x "
            f"FROM range({rows}) t(i) UNION ALL SELECT TIMESTAMP '2026-01-06', 'other', 0e0) "
            f"TO '{folder}/{source}.parquet' (FORMAT parquet)"
        )
    return folder


@pytest.fixture
def run(runner: Callable[..., Any], lake: Path) -> Callable[..., Any]:
    """Runs a day of the source by an algorithm."""

    def run(source: str, algorithm: dict[str, Any]) -> Any:
        day = runner(
            name=source.replace(" ", "_"),
            raw={"files": f"{lake}/{source}.parquet", "time_column": "event_time"},
            features={"vector": ["max(x)", "min(x) * 0"]},
            algorithm=algorithm,
            # Enforced: a process that takes more ends, and the day with another error than those below.
            limits={"memory_mb": 512},
            **({} if algorithm in BY_CENTRES else {"distance": NEAR}),
        )
        day.run(DAY)
        return day.table("clusters", DAY)

    return run


@pytest.mark.parametrize("algorithm", [*BY_PAIRS, *BY_CENTRES], ids=named)
def test_every_entity_gets_one_label_or_the_day_a_clear_error(
    run: Callable[..., Any], algorithm: dict[str, Any]
) -> None:
    refused: dict[str, ClusterAssetsError] = {}
    for source, (_, rows) in DAYS.items():
        try:
            clusters = run(source, algorithm)
        except ClusterAssetsError as error:
            refused[source] = error
            continue
        assert len(clusters) == rows == clusters["entity"].nunique()
        found = sorted(set(clusters["cluster"]) - {-1})
        assert found == list(range(len(found))), source
        if source in ("all the same", "denormal and minus zero"):
            assert clusters["cluster"].nunique() == 1
        if source == "one chain" and algorithm["type"] in CHAINED:
            assert found == [0]
        if source == "all far apart" and algorithm["type"] in ("dbscan", "optics"):
            assert found == []
    assert refused.keys() <= {"huge", "squares overflow", "sums overflow", "one", "two apart"}, refused
    assert all(error.remedy for error in refused.values())
    assert not [
        error for error in refused.values() if isinstance(error, WorkerMemoryError | WorkerCrashedError)
    ]


def test_more_centres_than_points_is_no_reason_to_fail(run: Callable[..., Any]) -> None:
    clusters = run("two apart", {"type": "kmeans", "n_clusters": 3})
    assert clusters["cluster"].tolist() == [0, 1]


def test_a_component_that_does_not_fit_is_refused_with_what_it_takes(
    runner: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    duckdb.sql(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, i::VARCHAR AS id, i * 0.9e0 AS x "
        f"FROM range(6000) t(i)) TO '{path}' (FORMAT parquet)"
    )
    attributes: dict[str, Any] = {
        "raw": {"files": str(path), "time_column": "event_time"},
        "features": {"vector": ["max(x)"]},
        "distance": NEAR,
        "limits": {"memory_mb": 256},
    }
    day = runner(**attributes, algorithm={"type": "agglomerative", "linkage": "complete"})
    with pytest.raises(WorkerUserError, match=r"has 6000 points .* would need") as refused:
        day.run(DAY)
    assert "memory_mb" in str(refused.value.remedy)
    assert runner(**attributes, algorithm={"type": "single_linkage"}).run(DAY, force=True)
