"""K-means from shards: rounds equal to scikit-learn's on all points at once."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kmeans_days import Day, days, k_means, round_of, split
from same_clusters import assert_same_clusters
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("small_samples")


@pytest.mark.long
@settings(max_examples=6)
@given(day=days(), clusters=st.integers(1, 8), seed=st.integers(0, 99))
def test_any_split_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, day: Day, clusters: int, seed: int
) -> None:
    algorithm = {"n_clusters": clusters, "n_init": 2, "seed": seed, "tol": 0.0, "max_iter": 2}
    whole, *others = (
        k_means(folder, day, split(folder, day, shards, seed + shards), algorithm)
        for shards in (1, 2, 7, 64)
        for folder in [tmp_path_factory.mktemp("day")]
    )
    assert all(other.files == whole.files for other in others)
    assert {other.inertia for other in others} == {whole.inertia}


@st.composite
def spread_days(choose: Any) -> Day:
    """Points that are nowhere as far from one centre as from another, as scikit-learn cannot tell."""
    rng = np.random.default_rng(choose(st.integers(0, 2**16)))
    count, dimensions = choose(st.integers(8, 200)), choose(st.integers(1, 6))
    values = rng.normal(size=(count, dimensions)) + 4.0 * rng.integers(0, 3, (count, 1))
    copies = rng.integers(0, count, choose(st.integers(0, 5)))
    return Day(np.concatenate([values, values[copies]]), rng.integers(1, 5, count + len(copies)))


@settings(max_examples=25)
@given(
    day=spread_days(),
    clusters=st.integers(1, 8),
    seed=st.integers(0, 99),
    tol=st.sampled_from([0.0, 1e-4, 1e-2]),
    max_iter=st.sampled_from([1, 3, 300]),
)
def test_clusters_are_those_of_scikit_learn(
    tmp_path_factory: pytest.TempPathFactory, day: Day, clusters: int, seed: int, tol: float, max_iter: int
) -> None:
    folder = tmp_path_factory.mktemp("day")
    algorithm = {"n_clusters": clusters, "seed": seed, "tol": tol, "max_iter": max_iter}
    found = k_means(folder, day, split(folder, day, 3, seed), algorithm)
    parameters = {"n_init": 1, "algorithm": "lloyd", "max_iter": max_iter, "tol": tol}
    # Every entity a row: then tol is relative to the variance of the entities, as ours is.
    truth = KMeans(clusters, init=found.first, **parameters).fit(np.repeat(day.values, day.weights, axis=0))
    # Where nothing moves, a rounding error of scikit-learn's mean may cost it a further round.
    assert truth.n_iter_ - found.rounds in ([0] if tol else [0, 1])
    assert np.abs(found.centres - truth.cluster_centers_).max() <= 1e-9
    assert found.inertia == pytest.approx(truth.inertia_, rel=1e-9, abs=1e-9)
    first_entities = np.cumsum(day.weights) - day.weights
    assert_same_clusters(found.labels, truth.labels_[first_entities])
    # With weights instead, tol is relative to the variance of the points.
    tol *= np.repeat(day.values, day.weights, axis=0).var(axis=0).mean() / day.values.var(axis=0).mean()
    weighted = KMeans(clusters, init=found.first, **{**parameters, "tol": tol})
    weighted.fit(day.values, sample_weight=day.weights)
    assert np.abs(found.centres - weighted.cluster_centers_).max() <= 1e-9
    assert_same_clusters(found.labels, weighted.labels_)


@pytest.mark.parametrize("shards", [1, 5])
@pytest.mark.parametrize("empty", [1, 2, 3])
def test_centres_without_points_go_where_scikit_learn_sends_them(
    tmp_path: Path, shards: int, empty: int
) -> None:
    rng = np.random.default_rng(empty)
    day = Day(rng.normal(size=(60, 2)), rng.integers(1, 6, 60))
    centres = np.concatenate([day.values[:2], 50.0 + rng.normal(size=(empty, 2)), day.values[2:3]])
    _, moved = round_of(tmp_path, day, centres, shards)
    truth = KMeans(len(centres), init=centres, n_init=1, max_iter=1, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        truth.fit(day.values, sample_weight=day.weights)
    # scikit-learn does not say which of the empty ones goes where.
    assert np.allclose(sorted(moved.tolist()), sorted(truth.cluster_centers_.tolist()), rtol=0, atol=1e-12)


def test_where_all_points_lie_on_centres_those_without_go_to_the_heaviest(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [2.0], [2.0]]), np.array([5, 3, 3]))
    _, moved = round_of(tmp_path, day, np.array([[1.0], [9.0], [2.0]]), 2)
    assert moved.tolist() == [[1.0], [2.0], [2.0]]


def test_a_mean_is_off_by_no_more_than_a_rounding_of_the_range(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(50, 20)) * 10.0 ** rng.integers(-8, 8, 20)
    values[:2] = [[1e16], [-1e16]]
    weights = np.concatenate([[3, 3], rng.integers(1, 100, 48)])
    _, moved = round_of(tmp_path, Day(values, weights), np.zeros((1, 20)), 3)
    entities = int(weights.sum())
    for mean, column in zip(moved[0], values.T, strict=True):
        pairs = zip(column.tolist(), weights.tolist(), strict=True)
        truth = float(sum(Fraction(value) * weight for value, weight in pairs) / entities)
        assert mean == pytest.approx(truth, rel=0, abs=2.0**-52 * np.ptp(column))


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_numbers_end_in_the_right_clusters(tmp_path: Path, scale: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(90) % 3
    day = Day((rng.normal(size=(90, 2)) * 0.01 + truth[:, np.newaxis] / 3) * scale, np.full(90, 2**20))
    algorithm = {"n_clusters": 3, "seed": 1, "tol": 1e-4, "max_iter": 50}
    found = k_means(tmp_path, day, split(tmp_path, day, 4, 0), algorithm)
    assert np.array_equal(found.labels, truth)
    assert np.isfinite(found.inertia)


def test_equal_points_are_one_cluster(tmp_path: Path) -> None:
    day = Day(np.full((40, 2), 0.1), np.ones(40, np.int64))
    algorithm = {"n_clusters": 5, "seed": 1, "tol": 1e-4, "max_iter": 50}
    found = k_means(tmp_path, day, split(tmp_path, day, 2, 0), algorithm)
    assert not found.labels.any()
    assert (found.inertia, found.rounds) == (0.0, 1)
    assert found.centres.tolist() == [[0.1, 0.1]] * 5


def test_fewer_points_than_clusters_are_a_cluster_each(tmp_path: Path) -> None:
    day = Day(np.array([[1.0], [5.0], [3.0]]), np.array([1, 2, 3]))
    algorithm = {"n_clusters": 8, "seed": 1, "tol": 1e-4, "max_iter": 50}
    assert k_means(tmp_path, day, split(tmp_path, day, 2, 0), algorithm).labels.tolist() == [0, 1, 2]
