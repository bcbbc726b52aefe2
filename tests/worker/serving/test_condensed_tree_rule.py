"""New items in the frozen tree of HDBSCAN, against a walk through the tree of a plain recursion."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from frozen_days import FrozenDay, by_coordinates, by_levels
from hdbscan_days import Points, algorithms, points_of
from hdbscan_prediction import PlainPrediction
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_items import PARTS, columns_of, item_of, measured, values_of
from scipy.spatial.distance import cdist
from sklearn.cluster import HDBSCAN
from sklearn.datasets import make_blobs

from lambda_worker.contract import InputError
from lambda_worker.contract.serving import Space
from lambda_worker.serving.contract import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_worker.serving.contract import Prediction


@st.composite
def weighted_days(draw: Any) -> tuple[Any, Any, Any]:
    """Distinct places in 1 to 4 dimensions, weights, and places of items."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, dimensions = draw(st.integers(2, 40)), draw(st.integers(1, 4))
    centres = rng.uniform(-6, 6, (draw(st.integers(1, 4)), dimensions))
    places = centres[rng.integers(0, len(centres), count)] + rng.normal(0, 1, (count, dimensions))
    items = np.concatenate(
        [places[:6] + rng.normal(0, 0.7, places[:6].shape), rng.uniform(-9, 9, (6, dimensions))]
    )
    return places, rng.integers(1, draw(st.sampled_from([1, 2, 6])) + 1, count), items


def compare(
    day: FrozenDay, plain: PlainPrediction, distances: Any, found: Sequence[Prediction], farthest: float
) -> None:
    """Compare answers with the walk; items that would join beyond the last radius are noise."""
    for away, one in zip(distances, found, strict=True):
        members, probability = plain.place(away)
        if plain.reach(away).min() > farthest:
            members, probability = None, 0.0
        assert one.rule == "condensed_tree"
        assert not one.changes
        assert one.probability == pytest.approx(probability, rel=1e-12, abs=0)
        if members is None:
            assert (one.cluster, one.role, one.distance) == (-1, "noise", None)
            continue
        labels = set(day.clusters[plain.entities[members]].tolist()) - {-1}
        assert ({one.cluster}, one.role) == (labels, "member")
        assert one.distance == pytest.approx(away[day.clusters == one.cluster].min(), rel=1e-12)


@settings(max_examples=60)
@given(data=weighted_days(), algorithm=algorithms, threshold=st.sampled_from([1e-3, 0.2, 1.0, 40.0]))
def test_an_item_lies_where_a_walk_through_the_tree_ends(
    data: tuple[Any, Any, Any], algorithm: dict[str, Any], threshold: float
) -> None:
    places, weights, items = data
    assume(weights.sum() >= (algorithm["min_samples"] or algorithm["min_cluster_size"]))
    space = Space("vector", tuple(f"x{k}" for k in range(places.shape[1])), "euclidean", threshold)
    features = [tuple(row) for row in places.tolist()]
    with TemporaryDirectory() as folder:
        day = by_coordinates(Path(folder), space, features, weights, algorithm)
        index = day.index(Path(folder) / "index")
        found = index.classify([Item(vector=tuple(row)) for row in items.tolist()])
        own = index.classify([Item(vector=one) for one in features])
    compare(
        day, PlainPrediction(points_of(places, weights), algorithm), cdist(items, places), found, math.inf
    )
    assert [one.cluster for one in own] == day.clusters.tolist()
    assert [one.probability for one in own] == day.probability.tolist()


# The smallest radius of each kind, so that some days need several levels.
SPACES = {
    ("set", "jaccard"): 0.3,
    ("text", "levenshtein"): 1.0,
    ("embedding", "euclidean"): 1.0,
    ("embedding", "cosine"): 0.1,
    ("mixed", "gower"): 0.1,
}


@pytest.mark.parametrize(("kind", "metric"), SPACES)
@settings(max_examples=12)
@given(data=st.data(), algorithm=algorithms)
def test_days_of_pairs_answer_up_to_their_last_radius(
    new_day: Callable[[], Any], kind: str, metric: str, data: st.DataObject, algorithm: dict[str, Any]
) -> None:
    values = data.draw(st.lists(values_of(kind, 9), min_size=2, max_size=30, unique=True))
    items = data.draw(st.lists(values_of(kind, 9), min_size=1, max_size=6, unique=True))
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=len(values), max_size=len(values))))
    assume(weights.sum() >= (algorithm["min_samples"] or algorithm["min_cluster_size"]))
    items = [one for one in items if one not in values]
    parts = PARTS if kind == "mixed" else ()
    space = Space(kind, columns_of(kind, 9), metric, SPACES[kind, metric], parts=parts)
    widths = {"size": float(np.ptp([one[0] for one in values]))} if kind == "mixed" else {}
    rows = [measured(kind, metric, [*values, one], widths) for one in values]
    between = np.array(rows)
    np.fill_diagonal(between, 0.0)  # a zero vector is 1 from itself by cosine, but its entities are equal
    points = Points(between, weights)
    day, farthest = by_levels(new_day, space, values, points, algorithm)
    if algorithm["allow_single_cluster"]:
        # The cluster of all points is known whole, so an item may join it up to the epsilon.
        farthest = max(farthest, algorithm["cluster_selection_epsilon"])
    with TemporaryDirectory() as folder:
        index = day.index(Path(folder))
        found = index.classify([item_of(kind, one) for one in items])
        own = index.classify([item_of(kind, one) for one in values])
    distances = [measured(kind, metric, [*values, one], widths) for one in items]
    compare(day, PlainPrediction(points, algorithm), distances, found, farthest)
    assert [one.cluster for one in own] == day.clusters.tolist()


def test_items_join_the_clusters_of_scikit_learn(tmp_path: Path) -> None:
    values, _ = make_blobs(400, 2, centers=5, random_state=3)
    # Core distances of 0 leave no equal merges, so there is one tree.
    model = HDBSCAN(min_cluster_size=8, min_samples=1, copy=True).fit(values)
    features = [tuple(row) for row in values.tolist()]
    space = Space("vector", ("x0", "x1"), "euclidean", 0.5)
    algorithm = {"min_cluster_size": 8, "min_samples": 1}
    day = by_coordinates(tmp_path, space, features, np.ones(400, np.int64), algorithm)
    index = day.index(tmp_path / "index")
    number_of = {-1: -1} | dict(zip(model.labels_.tolist(), day.clusters.tolist(), strict=True))
    assert [number_of[label] for label in model.labels_.tolist()] == day.clusters.tolist()
    # Beside a point deep inside a cluster, an item is in that cluster; far from all, it is noise.
    inside = np.flatnonzero(model.probabilities_ == 1)
    found = index.classify([Item(vector=tuple(row)) for row in (values[inside] + 1e-9).tolist()])
    assert [one.cluster for one in found] == day.clusters[inside].tolist()
    assert {one.probability for one in found} == {1.0}
    assert [one.cluster for one in index.classify([Item(vector=(900.0, 900.0))])] == [-1]


def test_a_tree_of_other_clusters_is_refused(tmp_path: Path) -> None:
    features = [(float(k), float(k % 5)) for k in (*range(8), *range(50, 58))]
    space = Space("vector", ("x0", "x1"), "euclidean", 1.0)
    day = by_coordinates(tmp_path, space, features, np.ones(16, np.int64), {"min_cluster_size": 4})
    day.clusters[:] = np.arange(16) % 2
    with pytest.raises(InputError, match="do not belong together"):
        day.index(tmp_path / "index")


def test_a_day_without_clusters_has_noise_only(tmp_path: Path) -> None:
    space = Space("vector", ("x0", "x1"), "euclidean", 1.0)
    day = by_coordinates(tmp_path, space, [(0.0, 0.0), (3.0, 0.0)], np.array([1, 1]), {"min_cluster_size": 5})
    found = day.index(tmp_path / "index").classify([Item(vector=(0.0, 0.0)), Item(vector=(1.0, 0.0))])
    assert [(one.cluster, one.role, one.probability) for one in found] == [(-1, "noise", 0.0)] * 2
