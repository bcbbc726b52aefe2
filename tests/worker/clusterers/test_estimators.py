"""Any clusterer of scikit-learn by component: what it says of each component alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist, squareform
from sklearn import cluster, mixture

from lambda_worker.clusterers.components import Component, Space, build_component_algorithm, estimators
from lambda_worker.clusterers.components.bins import cluster_components
from lambda_worker.clusterers.components.estimators import Estimator, load_class
from lambda_worker.contract import CapacityError, ComponentsEvent, ContractError
from lambda_worker.tables.features import Codes, Features
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANE = Space("vector", ("x0", "x1"), "euclidean", 1.5)


def component_of(vectors: Any, weights: Any = None) -> Component:
    """A component whose pairs do not matter."""
    weights = np.ones(len(vectors), np.int64) if weights is None else np.asarray(weights)
    none = np.empty(0, np.intp)
    features = Features("vector", rows=np.asarray(vectors, float))
    return Component(np.arange(len(vectors)), weights, features, none, none, np.empty(0))


def renumbered(labels: Any) -> list[int]:
    """Clusters in the order in which they come; noise stays -1."""
    numbers: dict[int, int] = {}
    return [-1 if k < 0 else numbers.setdefault(int(k), len(numbers)) for k in labels]


def blobs(seed: int, points: int = 60) -> Any:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, (points, 2)) * 3.0 + rng.normal(size=(points, 2)) * 0.4


ESTIMATORS: list[tuple[str, dict[str, Any]]] = [
    ("cluster.AffinityPropagation", {"random_state": 1}),
    ("cluster.AgglomerativeClustering", {"n_clusters": 3, "linkage": "complete"}),
    ("cluster.Birch", {"n_clusters": 3}),
    ("cluster.BisectingKMeans", {"n_clusters": 3, "random_state": 1}),
    ("cluster.DBSCAN", {"eps": 0.5, "min_samples": 4}),
    ("cluster.HDBSCAN", {"min_cluster_size": 4}),
    ("cluster.KMeans", {"n_clusters": 3, "random_state": 1}),
    ("cluster.MeanShift", {"bandwidth": 1.0}),
    ("cluster.MiniBatchKMeans", {"n_clusters": 3, "random_state": 1}),
    ("cluster.OPTICS", {"min_samples": 4}),
    ("cluster.SpectralClustering", {"n_clusters": 3, "random_state": 1}),
    ("mixture.BayesianGaussianMixture", {"n_components": 2, "random_state": 1}),
    ("mixture.GaussianMixture", {"n_components": 3, "random_state": 1}),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    ("name", "params"), ESTIMATORS, ids=lambda item: item if isinstance(item, str) else ""
)
def test_every_clusterer_says_what_it_says_alone(name: str, params: dict[str, Any]) -> None:
    vectors = blobs(1)
    labels = Estimator(f"sklearn.{name}", params).cluster(component_of(vectors), PLANE)
    module, _, class_name = name.partition(".")
    truth = getattr({"cluster": cluster, "mixture": mixture}[module], class_name)(**params)
    expected = truth.fit_predict(vectors)
    assert renumbered(labels.cluster) == renumbered(expected)
    assert len(set(labels.cluster.tolist()) - {-1}) == labels.cluster.max() + 1
    if class_name == "HDBSCAN":
        assert np.array_equal(labels.probability, truth.probabilities_)
    if class_name == "DBSCAN":
        core = np.isin(np.arange(60), truth.core_sample_indices_)
        assert np.array_equal(labels.role == 2, core)


def test_every_clusterer_is_known() -> None:
    found = set()
    for module in estimators.MODULES:
        with pytest.raises(ContractError) as error:
            load_class(f"{module}.Nothing")
        found |= {name for name in (*cluster.__all__, *mixture.__all__) if f"'{name}'" in str(error.value)}
    assert found == {name.partition(".")[2] for name, _ in ESTIMATORS}


def write_day(folder: Path, vectors: Any, weights: Any, component: Any, bins: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    distance = cdist(vectors, vectors)
    a, b = np.nonzero(np.triu(distance <= PLANE.threshold, 1))
    bin_of = rng.integers(0, bins, component.max() + 1)[component]
    inputs = []
    for number in range(bins):
        ids, rows = rng.permutation(np.flatnonzero(bin_of == number)), np.flatnonzero(bin_of[a] == number)
        points, pairs = str(folder / f"points-{number}"), str(folder / f"pairs-{number}")
        columns = {"x0": vectors[ids, 0], "x1": vectors[ids, 1]}
        numbers = {"point_id": ids, "weight": weights[ids], "component": component[ids]}
        write_table(points, {**numbers, **columns})
        write_table(pairs, {"point_a": a[rows], "point_b": b[rows], "distance": distance[a, b][rows]})
        inputs.append((points, pairs, len(ids)))
    return inputs


def cluster_day(folder: Path, inputs: list[Any], algorithm: dict[str, Any]) -> Any:
    """Labels of all points; a cluster is known by its component and its number."""
    label: dict[int, int] = {}
    for number, (points, pairs, count) in enumerate(inputs):
        event = ComponentsEvent(
            points=(points,),
            candidates=(pairs,),
            point_count=count,
            kind="vector",
            columns=PLANE.columns,
            metric="euclidean",
            threshold=PLANE.threshold,
            algorithm=algorithm,
            output=str(folder / f"labels-{number}"),
        )
        assert cluster_components(event).ok
        for batch in arro3.io.read_parquet(event.output):
            columns = (batch[name].to_numpy().tolist() for name in ("point_id", "component", "cluster"))
            for point, component, its_cluster in zip(*columns, strict=True):
                label[point] = -1 if its_cluster < 0 else component * 1000 + its_cluster
    return [label[point] for point in range(len(label))]


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**20),
    points=st.integers(1, 50),
    heaviest=st.sampled_from([1, 4]),
    bins=st.sampled_from([1, 2, 7]),
    min_samples=st.integers(1, 6),
)
def test_a_separable_class_equals_scikit_learn_on_the_day(
    new_day: Callable[[], Any], seed: int, points: int, heaviest: int, bins: int, min_samples: int
) -> None:
    """DBSCAN takes weights; the linkage does not, and gets rows. Neither joins components."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(0, 12, (points, 2)) / 1.0
    vectors = vectors[np.sort(np.unique(vectors, axis=0, return_index=True)[1])]
    weights = rng.integers(1, heaviest + 1, len(vectors))
    component = connected_components(cdist(vectors, vectors) <= PLANE.threshold)[1]
    folder = new_day().folder
    inputs = write_day(folder, vectors, weights, component, bins, seed)
    rows = np.repeat(vectors, weights, axis=0)
    first = np.cumsum(weights) - weights
    params: dict[str, Any] = {"eps": 1.0, "min_samples": min_samples}
    found = cluster_day(
        folder, inputs, {"type": "sklearn", "class": "sklearn.cluster.DBSCAN", "params": params}
    )
    assert renumbered(found) == renumbered(cluster.DBSCAN(**params).fit_predict(rows)[first])
    params = {"n_clusters": None, "distance_threshold": 1.4, "linkage": "single"}
    name = "sklearn.cluster.AgglomerativeClustering"
    found = cluster_day(folder, inputs, {"type": "sklearn", "class": name, "params": params})
    truth = cluster.AgglomerativeClustering(**params)
    expected = truth.fit_predict(rows)[first] if len(rows) > 1 else np.zeros(1)
    assert renumbered(found) == renumbered(expected)


def test_the_check_fails_for_a_class_that_is_not_separable(new_day: Callable[[], Any]) -> None:
    vectors = blobs(3)
    component = connected_components(cdist(vectors, vectors) <= PLANE.threshold)[1]
    assert component.max() > 2
    folder = new_day().folder
    inputs = write_day(folder, vectors, np.ones(60, np.int64), component, 2, 0)
    algorithm = {"type": "sklearn", "class": "sklearn.cluster.Birch", "params": {"n_clusters": None}}
    found = cluster_day(folder, inputs, algorithm)
    by_component = np.full(60, -1)
    for one in range(component.max() + 1):
        rows = np.flatnonzero(component == one)
        by_component[rows] = 1000 * one + cluster.Birch(n_clusters=None).fit_predict(vectors[rows])
    assert renumbered(found) == renumbered(by_component)
    assert renumbered(found) != renumbered(cluster.Birch(n_clusters=3).fit_predict(vectors))


def test_weights_are_rows_where_a_class_takes_none() -> None:
    vectors, weights = blobs(5, 30), np.arange(30) % 3 + 1
    labels = Estimator("sklearn.cluster.OPTICS", {"min_samples": 4}).cluster(
        component_of(vectors, weights), PLANE
    )
    truth = cluster.OPTICS(min_samples=4, metric="euclidean").fit_predict(np.repeat(vectors, weights, axis=0))
    assert renumbered(labels.cluster) == renumbered(truth[np.cumsum(weights) - weights])
    light = cluster.OPTICS(min_samples=4, metric="euclidean").fit_predict(vectors)
    assert renumbered(labels.cluster) != renumbered(light)


def test_sets_are_compared_by_a_matrix() -> None:
    rng = np.random.default_rng(2)
    held = rng.random((25, 8)) < 0.4
    held[:, 0] = True
    offsets = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
    lists = Codes(offsets, np.nonzero(held)[1].astype(np.int32))
    none = np.empty(0, np.intp)
    weights = rng.integers(1, 3, 25)
    component = Component(np.arange(25), weights, Features("set", lists=lists), none, none, np.empty(0))
    space = Space("set", ("tokens",), "jaccard", 0.5)
    distance = cdist(held, held, "jaccard")
    for name, params in (("DBSCAN", {"eps": 0.3}), ("HDBSCAN", {"min_cluster_size": 3})):
        labels = Estimator(f"sklearn.cluster.{name}", params).cluster(component, space)
        rows = np.repeat(np.arange(25), weights)
        with pytest.warns() if name == "HDBSCAN" else np.errstate():
            truth = getattr(cluster, name)(metric="precomputed", **params).fit(distance[np.ix_(rows, rows)])
        assert renumbered(labels.cluster) == renumbered(truth.labels_[np.cumsum(weights) - weights])
    with pytest.raises(ContractError, match="would need vectors, not features of the kind set"):
        Estimator("sklearn.cluster.Birch", {}).cluster(component, space)
    with pytest.raises(ContractError, match="would need vectors"):
        Estimator("sklearn.cluster.DBSCAN", {"metric": "euclidean"}).cluster(component, space)


def test_the_metric_of_the_day_is_the_metric_of_the_class() -> None:
    vectors = blobs(9)
    space = Space("vector", ("x0", "x1"), "chebyshev", 1.5)
    params = {"n_clusters": 4, "linkage": "average"}
    labels = Estimator("sklearn.cluster.AgglomerativeClustering", params).cluster(
        component_of(vectors), space
    )
    truth = cluster.AgglomerativeClustering(metric="chebyshev", **params).fit_predict(vectors)
    assert renumbered(labels.cluster) == renumbered(truth)
    same = squareform(squareform(cdist(vectors, vectors, "chebyshev"), checks=False))
    precomputed = cluster.AgglomerativeClustering(metric="precomputed", **params).fit_predict(same)
    assert renumbered(truth) == renumbered(precomputed)


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("DBSCAN", {"min_samples": 3}, [-1, -1, 0]),
        ("HDBSCAN", {"min_cluster_size": 3}, [-1, -1, 0]),
        ("AffinityPropagation", {"random_state": 0}, [0, 0, 0]),
        ("AgglomerativeClustering", {"n_clusters": None, "distance_threshold": 1.0}, [0, 0, 0]),
        ("KMeans", {"n_clusters": 2, "random_state": 0}, [0, 0, 0]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_components_of_one_point(name: str, params: dict[str, Any], expected: list[int]) -> None:
    found = Estimator(f"sklearn.cluster.{name}", params).cluster_single(np.array([1, 2, 3]))
    if name == "HDBSCAN":  # of equal entities only it makes no cluster, nor does scikit-learn
        expected = [-1, -1, -1]
    assert found.cluster.tolist() == expected
    assert ((found.role == 0) == (found.cluster < 0)).all()


@pytest.mark.parametrize(
    ("algorithm", "message"),
    [
        ({"class": "os.system", "params": {}}, "class must be"),
        ({"class": "sklearn.cluster._kmeans.KMeans", "params": {}}, "class must be"),
        ({"class": "sklearn.cluster.os", "params": {}}, "no clusterer"),
        ({"class": "sklearn.cluster.k_means", "params": {}}, "no clusterer"),
        ({"class": "sklearn.cluster.FeatureAgglomeration", "params": {}}, "no clusterer"),
        ({"class": "sklearn.cluster.SpectralBiclustering", "params": {}}, "no clusterer"),
        ({"class": 3, "params": {}}, "class: Expected `str`"),
        ({"class": "sklearn.cluster.Birch", "params": []}, "params: Expected `object`"),
        ({"class": "sklearn.cluster.Birch", "params": {"radius": 1}}, r"no parameters \['radius'\]"),
        ({"class": "sklearn.cluster.DBSCAN", "params": {"n_jobs": 2}}, "n_jobs"),
        ({"class": "sklearn.cluster.OPTICS", "params": {"memory": "/tmp"}}, "memory"),  # noqa: S108
        ({"class": "sklearn.cluster.KMeans", "params": {}}, "random_state"),
        ({"class": "sklearn.cluster.KMeans", "params": {"random_state": None}}, "random_state"),
    ],
)
def test_bad_classes_and_parameters_are_refused(algorithm: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        build_component_algorithm({"type": "sklearn", **algorithm})


def test_what_scikit_learn_refuses_is_told_with_the_size() -> None:
    component = component_of(blobs(1, 4))
    with pytest.raises(ContractError, match=r"DBSCAN refuses a component of 4 rows: The 'eps' parameter"):
        Estimator("sklearn.cluster.DBSCAN", {"eps": -1.0}).cluster(component, PLANE)


@pytest.mark.parametrize(
    ("name", "params", "least"),
    [
        ("cluster.AgglomerativeClustering", {"n_clusters": 6, "linkage": "complete"}, 6),
        ("cluster.BisectingKMeans", {"n_clusters": 6, "random_state": 1}, 6),
        ("cluster.KMeans", {"n_clusters": 6, "random_state": 1}, 6),
        ("cluster.MiniBatchKMeans", {"n_clusters": 6, "random_state": 1}, 6),
        ("cluster.SpectralClustering", {"n_clusters": 6, "random_state": 1}, 6),
        ("mixture.BayesianGaussianMixture", {"n_components": 6, "random_state": 1}, 6),
        ("mixture.GaussianMixture", {"n_components": 6, "random_state": 1}, 6),
        ("cluster.HDBSCAN", {"min_cluster_size": 6}, 6),
        ("cluster.HDBSCAN", {"min_cluster_size": 9, "min_samples": 6}, 6),
        ("cluster.OPTICS", {"min_samples": 6}, 6),
        ("cluster.OPTICS", {"min_samples": 4, "min_cluster_size": 6}, 6),
        ("cluster.OPTICS", {"min_samples": 6, "min_cluster_size": 9, "cluster_method": "dbscan"}, 6),
        ("cluster.OPTICS", {"min_samples": 0.5}, 2),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_class_gets_a_component_exactly_from_the_size_it_takes(
    name: str, params: dict[str, Any], least: int
) -> None:
    module, _, class_name = name.partition(".")
    made = getattr({"cluster": cluster, "mixture": mixture}[module], class_name)
    seeks = class_name in ("HDBSCAN", "OPTICS")
    for rows in range(2, 12):
        vectors = blobs(rows, rows)
        labels = Estimator(f"sklearn.{name}", params).cluster(component_of(vectors), PLANE)
        if rows >= least:
            assert renumbered(labels.cluster) == renumbered(made(**params).fit_predict(vectors))
            continue
        with pytest.raises(ValueError, match=r"(?i)sample|neighbor"):
            made(**params).fit_predict(vectors)
        assert labels.cluster.tolist() == ([-1] * rows if seeks else list(range(rows)))
        assert ((labels.role == 0) == seeks).all()


def test_weights_that_cannot_be_written_out_are_refused() -> None:
    heavy = component_of(blobs(1, 4), [1, 1, 1, 10**9])
    with pytest.raises(CapacityError, match="1000000003 entities; at most 32768"):
        Estimator("sklearn.cluster.Birch", {"n_clusters": None}).cluster(heavy, PLANE)
    labels = Estimator("sklearn.cluster.DBSCAN", {"eps": 0.1}).cluster(heavy, PLANE)
    assert labels.cluster.tolist() == [-1, -1, -1, 0]
