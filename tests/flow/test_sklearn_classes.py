"""Every class of sklearn.cluster and sklearn.mixture by its defaults: a day runs, or the YAML is refused."""

from __future__ import annotations

from inspect import isclass, signature
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
from pydantic import ValidationError
from sklearn import cluster, mixture

from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.conftest import Runner

DAY = "2026-01-02"
CLASSES = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (cluster, mixture)
    for name in module.__all__
    if isclass(getattr(module, name))
}
REFUSED = {
    "sklearn.cluster.FeatureAgglomeration": "clusters features, not rows",
    "sklearn.cluster.SpectralBiclustering": "clusters rows and columns together",
    "sklearn.cluster.SpectralCoclustering": "clusters rows and columns together",
}
SEEK_NEIGHBOURS = ("DBSCAN", "HDBSCAN", "OPTICS")
# Points of each component, and how many entities share its first point.
COMPONENTS = {"a": (1, 1), "b": (1, 7), "c": (2, 1), "d": (2, 3), "e": (3, 1), "f": (90, 1)}
VECTOR = {"features": {"vector": ["max(x)", "max(y)"]}, "distance": {"metric": "euclidean", "threshold": 2}}


def of_class(name: str, **params: Any) -> dict[str, Any]:
    seed = {"random_state": 0} if "random_state" in signature(CLASSES[name]).parameters else {}
    return {"algorithm": {"sklearn": {"class": name, "params": seed | params}}}


def attributes(**more: Any) -> dict[str, Any]:
    base = {"name": "demo", "start_date": "2026-01-01", "raw": {"files": "x.csv", "time_column": "at"}}
    return base | {"entity": "id"} | VECTOR | more


@pytest.fixture
def lake(tmp_path: Path) -> str:
    rng = np.random.default_rng(5)
    rows = []
    for place, (name, (points, heavy)) in enumerate(COMPONENTS.items()):
        places = 100 * place + (rng.random((points, 2)) * 3 if points > 3 else 0.9 * np.eye(3)[:points, :2])
        for number, (x, y) in enumerate(places):
            copies = heavy if number == 0 else 1
            rows += [f"('{name}{number}_{copy}', {x:.9f}::DOUBLE, {y:.9f}::DOUBLE)" for copy in range(copies)]
    select = f"SELECT TIMESTAMP '{DAY} 01:00:00' AS at, * FROM (VALUES {', '.join(rows)}) AS t(id, x, y)"
    duckdb.execute(f"COPY ({select}) TO '{tmp_path}/day.parquet' (FORMAT parquet)")
    return f"{tmp_path}/day.parquet"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(CLASSES.keys() - REFUSED.keys()))
def test_a_class_labels_components_of_any_size(runner: Callable[..., Runner], lake: str, name: str) -> None:
    run = runner(raw={"files": lake, "time_column": "at"}, **VECTOR, **of_class(name))
    metrics = run.run(DAY)["clusters"].manifest.metrics
    assert metrics["components"] == len(COMPONENTS)
    table = run.table("clusters", DAY)
    assert len(table) == sum(points + heavy - 1 for points, heavy in COMPONENTS.values())
    found = {key: table[table["entity"].str.startswith(key)] for key in COMPONENTS}
    seen = [set(rows["cluster"]) - {-1} for rows in found.values()]
    assert sum(map(len, seen)) == len(set().union(*seen)), "no cluster reaches beyond its component"
    if name.rpartition(".")[2] in SEEK_NEIGHBOURS:
        for small in "ace":
            assert set(found[small]["cluster"]) == {-1}, "fewer entities than min_samples"
    else:
        assert metrics["noise"] == 0
        assert all(len(seen["abcdef".index(one)]) == 1 for one in "ab"), "a point is one cluster"
        asked = CLASSES[name](**of_class(name)["algorithm"]["sklearn"]["params"]).get_params()
        if asked.get("n_clusters") == 8:
            assert [len(seen["abcdef".index(few)]) for few in "ce"] == [2, 3], "each point is a cluster"
            assert len(seen[-1]) == 8
    if name.endswith("Mixture"):
        assert [len(one) for one in seen] == [1] * len(COMPONENTS), "n_components is 1"


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_class_that_labels_no_rows_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{REFUSED[name]}.*has .*DBSCAN.*KMeans"):
        PipelineSpec.model_validate(attributes(**of_class(name)))


@pytest.mark.parametrize(
    ("name", "params", "more", "words"),
    [
        ("sklearn.cluster.DBSCAN", {"eps": -1}, {}, "'eps' parameter of DBSCAN must be"),
        (
            "sklearn.cluster.SpectralClustering",
            {"affinity": "precomputed"},
            {},
            "SpectralClustering does not",
        ),
        ("sklearn.cluster.KMeans", {"random_state": True}, {}, "an integer"),
        ("sklearn.cluster.KMeans", {"n_clusters": "eight"}, {}, "'n_clusters' parameter of KMeans must be"),
        (
            "sklearn.cluster.AgglomerativeClustering",
            {"n_clusters": None, "distance_threshold": 1.0},
            {"distance": {"metric": "manhattan", "threshold": 2}},
            "Ward can only work with euclidean",
        ),
        (
            "sklearn.cluster.KMeans",
            {},
            {"features": {"set": "tag"}, "distance": {"metric": "jaccard", "threshold": 0.4}},
            "needs vectors.*DBSCAN",
        ),
    ],
)
def test_parameters_that_cannot_work_are_refused_in_the_yaml(
    name: str, params: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        PipelineSpec.model_validate(attributes(**of_class(name, **params), **more))


def test_parameters_that_belong_to_the_rows_of_a_day_are_left_to_it() -> None:
    many = of_class("sklearn.cluster.KMeans", n_clusters=5000)
    centres = of_class("sklearn.cluster.KMeans", n_clusters=2, init=[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    for algorithm in (many, centres):
        PipelineSpec.model_validate(attributes(**algorithm))
