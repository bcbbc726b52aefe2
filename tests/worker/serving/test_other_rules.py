"""Components against recomputation with the item, and centres against scikit-learn's predict."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from serving_days import SmallDay
from sklearn.cluster import Birch, KMeans, MeanShift, MiniBatchKMeans
from sklearn.datasets import make_blobs

from lambda_worker.contract.serving import Space
from lambda_worker.serving.contract import Item
from lambda_worker.tables.centres import publish_centres
from lambda_worker.tables.labels import clusters_of, first_points, member_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLACES = st.tuples(st.integers(0, 14), st.integers(0, 14))


def labels_of(values: NDArray[np.float64], threshold: float) -> list[int]:
    """Components numbered by their first entity."""
    _, found = connected_components(cdist(values, values) <= threshold, directed=False)
    return member_labels(found.astype(np.int64)).cluster.tolist()


@settings(max_examples=30)
@given(
    st.lists(PLACES, min_size=1, max_size=40),
    st.lists(PLACES, min_size=1, max_size=8),
    st.sampled_from([1.0, 1.5, 2.0]),
)
def test_a_component_says_exactly_what_the_item_changes(
    day: list[tuple[int, int]], places: list[tuple[int, int]], threshold: float
) -> None:
    labels = labels_of(np.array(day, float), threshold)
    space = Space("vector", ("x0", "x1"), "euclidean", threshold)
    small = SmallDay(space, {"type": "connected_components"}, day, labels)
    with TemporaryDirectory() as folder:
        found = small.index(Path(folder)).classify([Item(vector=place) for place in (*day, *places)])
    assert [one.cluster for one in found[: len(day)]] == labels
    for place, one in zip(places, found[len(day) :], strict=True):
        after = labels_of(np.array([*day, place], float), threshold)
        assert ("merges" in one.changes) == (after[:-1] != labels)
        assert ("founds" in one.changes) == (after[-1] not in after[:-1])
        if not one.changes:
            assert after[-1] == one.cluster
        assert one.cluster == (
            -1 if "founds" in one.changes else min(labels[k] for k in near(day, place, threshold))
        )


def near(day: list[tuple[int, int]], place: tuple[int, int], threshold: float) -> NDArray[np.intp]:
    return np.flatnonzero(cdist([place], day)[0] <= threshold)


ESTIMATORS = {
    "kmeans": KMeans(5, n_init=2, random_state=0),
    "minibatch_kmeans": MiniBatchKMeans(5, n_init=2, random_state=0),
    "birch": Birch(threshold=0.8, n_clusters=5),
    "mean_shift": MeanShift(bandwidth=3.0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_new_item_gets_the_cluster_that_scikit_learn_predicts(name: str, tmp_path: Path) -> None:
    values, _ = make_blobs(300, 3, centers=6, random_state=4)
    model: Any = ESTIMATORS[name].fit(values)
    places = model.subcluster_centers_ if name == "birch" else model.cluster_centers_
    owner = model.subcluster_labels_ if name == "birch" else np.arange(len(places))
    label = model.labels_.astype(np.int64)
    first = first_points(label, int(owner.max()) + 1)
    labels = member_labels(label).cluster
    number_of = clusters_of(labels, first)
    centres = str(tmp_path / "centres.parquet")
    publish_centres(centres, places, number_of.take(owner))
    small = SmallDay(
        Space("vector", ("x0", "x1", "x2"), None, None),
        {"type": name, "cluster_all": True},
        [tuple(row) for row in values.tolist()],
        labels.tolist(),
        more={"centres": (centres,)},
    )
    index = small.index(tmp_path / "index")
    items = np.random.default_rng(1).uniform(-14, 14, (200, 3))
    found = index.classify([Item(vector=tuple(row)) for row in items.tolist()])
    assert [one.cluster for one in found] == number_of.take(model.predict(items)).tolist()
    assert np.allclose([one.distance for one in found], cdist(items, places).min(axis=1), rtol=1e-12)
    own = index.classify([Item(vector=tuple(row)) for row in values.tolist()])
    assert [one.cluster for one in own] == labels.tolist()
    assert {one.rule for one in found} == {"nearest_centre"}


def test_beyond_the_bandwidth_an_item_is_noise_unless_all_are_clustered(tmp_path: Path) -> None:
    centres = str(tmp_path / "centres.parquet")
    publish_centres(centres, np.array([[0.0], [10.0]]), np.array([0, 1]))
    space = Space("vector", ("x0",), "euclidean", 4.0)
    found = {}
    for cluster_all in (True, False):
        small = SmallDay(
            space,
            {"type": "mean_shift", "cluster_all": cluster_all},
            [(0.0,), (10.0,)],
            [0, 1],
            more={"centres": (centres,)},
        )
        index = small.index(tmp_path / str(cluster_all))
        found[cluster_all] = [
            one.cluster for one in index.classify([Item(vector=(2.0,)), Item(vector=(2.1,))])
        ]
    assert found == {True: [0, 0], False: [0, -1]}
