"""Where scikit-learn agrees with itself over its algorithms and row orders, the labels are its labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn_orders import Served, label_orders, numbered, without_vector_instructions

from lambda_worker.clusterers.hdbscan.hierarchy import cluster_forest
from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.clusterers.hdbscan.reachability import span_points
from lambda_worker.tables.points import WeightedPoints

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.clusterers.hdbscan.hierarchy import Hierarchy

TEN = [
    [7.7, 1.1], [3.8, 9.6], [5.7, 9.7], [4.1, 3.9], [2.2, 8.0],
    [1.5, 4.5], [5.9, 7.6], [5.4, 2.6], [3.7, 4.5], [4.3, 1.2],
]  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> Iterator[Served]:
    with without_vector_instructions() as served:
        yield served


def cluster(places: Any, **parameters: Any) -> Hierarchy:
    checked = Hdbscan(**parameters)
    values = np.ascontiguousarray(np.transpose(places))
    points = WeightedPoints(values, np.ones(values.shape[1], np.int64))
    core, forest = span_points(points, "euclidean", checked.neighbourhood)
    return cluster_forest(forest, points.weights, core, checked)


def test_a_point_between_two_clusters_is_in_the_larger_one(plain: Served) -> None:
    """All 45 distances differ, but the fifth point joins both clusters at its core distance.

    scikit-learn has it in either, as its rows are ordered; with vector instructions numpy sorts equal numbers
    so that most orders give the larger one.
    """
    found = cluster(TEN, min_cluster_size=3)
    assert found.labels.cluster.tolist() == [0, 1, 1, 0, 0, 0, 1, 0, 0, 0]
    assert found.labels.probability is not None
    assert found.labels.probability[4] == pytest.approx(0.616365, abs=1e-6)
    assert found.tree is not None
    assert found.tree.contested == 1
    theirs = plain.label_orders(TEN, {"min_cluster_size": 3}, 0)
    assert [labels[4] for labels in theirs] == [0, 1]
    assert found.labels.cluster.tolist() in theirs


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), decimals=st.integers(1, 8))
def test_labels_are_those_on_which_scikit_learn_agrees(plain: Served, seed: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    places = np.round(rng.uniform(0, 10, (int(rng.integers(6, 13)), 2)), decimals)
    assume(np.diff(np.sort(pdist(places))).min() > 1e-9)
    parameters = {
        "min_cluster_size": int(rng.integers(2, 5)),
        "min_samples": int(rng.integers(1, 6)),
        "cluster_selection_method": str(rng.choice(["eom", "leaf"])),
    }
    arguments = places.tolist(), parameters, seed
    theirs = {tuple(labels) for labels in label_orders(*arguments) + plain.label_orders(*arguments)}
    found = cluster(places, **parameters)
    assert found.tree is not None
    event(f"scikit-learn agrees: {len(theirs) == 1}")
    if len(theirs) == 1:
        assert {numbered(found.labels.cluster.tolist())} == theirs
    else:
        assert found.tree.contested, "a day on which libraries differ is counted as contested"
