"""The index of days of every algorithm and metric: published features get their published cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.served.days import PublishedIndexes
from cluster_assets.spec.metrics import METRICS
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.sequence import stages_of
from lambda_worker.serving.contract import Item

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = "2026-01-05"
VECTORS = {"vector": ["max(x)", "max(y)"], "scale": "standard", "weights": [1, 2]}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "dbscan": {"min_samples": 4},
    "connected_components": {},
    "single_linkage": {},
    "hdbscan": {"min_cluster_size": 4},
    "agglomerative": {"linkage": "average"},
    "optics": {"min_samples": 4},
    "mean_shift": {},
    "kmeans": {"n_clusters": 4},
    "minibatch_kmeans": {"n_clusters": 4},
    "birch": {"threshold": 0.3, "n_clusters": 4},
    "sklearn": {"class": "sklearn.cluster.AffinityPropagation", "params": {"random_state": 0}},
}
FEATURES: dict[str, dict[str, Any]] = {
    "set": {"set": "token", "tokens": {"min_df": 2}},
    "vector": {"vector": ["max(x)", "max(y)"]},
    "embedding": {"embedding": "min(embedding)"},
    "geo": {"geo": {"latitude": "max(x)", "longitude": "max(y)"}},
    "text": {"text": "max(name)"},
    "mixed": {
        "mixed": {
            "size": {"number": "max(x)"},
            "tags": {"set": "token"},
            "label": {"text": "max(name)"},
            "place": {"geo": {"latitude": "max(x)", "longitude": "max(y)"}},
            "kind": {"category": "max(kind)"},
        }
    },
}
THRESHOLDS = {
    ("set", "jaccard"): 0.4,
    ("geo", "haversine"): 80_000,
    ("text", "levenshtein"): 2,
    ("vector", "euclidean"): 0.8,
    ("vector", "manhattan"): 0.8,
    ("vector", "chebyshev"): 0.8,
    ("vector", "cosine"): 0.001,
    ("embedding", "euclidean"): 1.5,
    ("embedding", "cosine"): 0.01,
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The source, with several rows an entity, and the features of each entity."""
    chance = np.random.default_rng(5)
    middles = chance.uniform(0, 12, (5, 2))
    entities = []
    for number in range(90):
        x, y = (middles[number % 5] + chance.normal(0, 0.5, 2)).round(1).tolist()
        entities.append(
            {
                "id": f"e{number:04d}",
                "x": x,
                "y": y,
                "token": [*(f"{number % 5}{port}" for port in "ab"), *chance.choice(list("xyz"), number % 2)],
                "name": "abcde"[number % 5] * 6 + "".join(chance.choice(list("xyz"), number % 3)),
                "kind": str(chance.choice(["p", "q"])),
                "embedding": (9 * np.eye(6)[number % 5] + chance.integers(0, 2, 6)).tolist(),
            }
        )
    entities.append({**entities[0], "id": "zz", "token": ["0a", "0b", "only here"]})
    path = tmp_path_factory.mktemp("source") / "a.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t (event_time TIMESTAMP, id VARCHAR, x DOUBLE, y DOUBLE, token VARCHAR, "
            "name VARCHAR, kind VARCHAR, embedding DOUBLE[])"
        )
        for one in entities:
            for token in one["token"]:
                values = [f"{DAY} 01:00:00", one["id"], one["x"], one["y"], token]
                connection.execute(
                    "INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [*values, one["name"], one["kind"], one["embedding"]],
                )
        connection.execute(f"COPY t TO '{path}' (FORMAT parquet)")
    return path, entities


def item_of(kind: str, one: dict[str, Any]) -> Item:
    place = {"latitude": one["x"], "longitude": one["y"]}
    if kind == "geo":
        return Item(**place)
    found = {
        "vector": (one["x"], one["y"]),
        "set": tuple(one["token"]),
        "text": one["name"],
        "embedding": tuple(one["embedding"]),
        "mixed": {
            "size": one["x"],
            "tags": one["token"],
            "label": one["name"],
            "place": place,
            "kind": one["kind"],
        },
    }
    return Item(**{kind: found[kind]})


def check_own_points(runner: Callable[..., Any], rows: Any, **attributes: Any) -> str:
    """Run the stages that the index reads, and classify the features of every entity; return the rule."""
    path, entities = rows
    ran = runner(raw={"files": str(path), "time_column": "event_time"}, serve={}, **attributes)
    job = DayJob(ran.spec, ran.backend, ran.ledger, parse_day(DAY))
    for stage in stages_of(ran.spec):
        if stage.name != "report":
            run_day(stage, job)
    served = PublishedIndexes(ran.backend.store, ran.backend.catalog).open_day("demo")
    labels = dict(ran.table("clusters", DAY)[["entity", "cluster"]].to_numpy().tolist())
    kind = ran.spec.features.kind
    assert len(served.classify([served.example])) == 1
    found = served.classify([item_of(kind, one) for one in entities])
    assert [one.cluster for one in found] == [labels[one["id"]] for one in entities]
    answers = [served.entity(one["id"]) for one in entities]
    assert [one.cluster for one in answers] == [one.cluster for one in found]
    assert [one.stable_id for one in answers] == [one.stable_id for one in found]
    assert len(set(labels.values())) > 1, "the day has one label only and shows nothing"
    return found[0].rule


@pytest.mark.parametrize("name", ALGORITHMS)
def test_each_algorithm_answers_with_the_published_cluster(
    runner: Callable[..., Any], rows: Any, name: str, until: str
) -> None:
    algorithm = {"type": name, **ALGORITHMS[name]}
    works_on_pairs = name not in ("kmeans", "minibatch_kmeans", "birch")
    near = {"distance": {"metric": "euclidean", "threshold": 0.4}} if works_on_pairs else {}
    rule = check_own_points(runner, rows, features=VECTORS, algorithm=algorithm, **near)
    expected = {
        "dbscan": "dbscan",
        "connected_components": "component",
        "single_linkage": "component",
        "hdbscan": "condensed_tree",
        **dict.fromkeys(("kmeans", "minibatch_kmeans", "birch", "mean_shift"), "nearest_centre"),
    }
    assert rule == expected.get(name, "nearest_member")


def test_a_hierarchy_of_pairs_answers_with_the_published_cluster(
    runner: Callable[..., Any], rows: Any, until: str
) -> None:
    rule = check_own_points(
        runner,
        rows,
        features=FEATURES["set"],
        distance={"metric": "jaccard", "threshold": 0.4},
        algorithm={"type": "hdbscan", "min_cluster_size": 4},
    )
    assert rule == "condensed_tree"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: f"{metric.kind}-{metric.name}")
def test_each_metric_answers_with_the_published_cluster(
    runner: Callable[..., Any], rows: Any, metric: Any, until: str
) -> None:
    threshold = THRESHOLDS.get((metric.kind, metric.name), 0.2)
    check_own_points(
        runner,
        rows,
        features=FEATURES[metric.kind],
        distance={"metric": metric.name, "threshold": threshold},
        algorithm={"type": "dbscan", "min_samples": 4},
    )
