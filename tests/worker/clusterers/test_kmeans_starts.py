"""K-means runs every start on a sample, and keeps the best for all points."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from kmeans_days import Day, k_means, split
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from lambda_worker.clusterers.kmeans import seeding
from lambda_worker.clusterers.kmeans.sampling import hash_ids
from lambda_worker.clusterers.kmeans.seeding import plus_plus
from lambda_worker.contract import kmeans as contract
from lambda_worker.tables.points import Batch

if TYPE_CHECKING:
    from pathlib import Path


ALIKE, HALVED = np.full(9, 1 / 9), 2.0 ** -np.arange(9) / sum(2.0 ** -np.arange(9))


def blobs(count: int, shares: Any, seed: int) -> Day:
    """Nine blobs with these shares of the points, none of them empty."""
    rng = np.random.default_rng(seed)
    middles = np.stack(np.meshgrid(range(3), range(3)), axis=-1).reshape(9, 2) * 10.0
    blob = np.concatenate([np.arange(9), rng.choice(9, count - 9, p=shares)])
    return Day(middles[blob] + rng.normal(size=(count, 2)), rng.integers(1, 4, count))


@pytest.mark.parametrize(
    ("shares", "seed", "first_is_good"), [(ALIKE, 0, True), (HALVED, 1, False), (HALVED, 4, False)]
)
def test_the_best_of_three_starts_is_near_the_best_of_ten(
    tmp_path: Path, shares: Any, seed: int, first_is_good: bool
) -> None:
    day = blobs(270, shares, seed)
    algorithm = {"n_clusters": 9, "n_init": 3, "seed": seed, "tol": 1e-4, "max_iter": 300}
    found = k_means(tmp_path, day, split(tmp_path, day, 2, 1), algorithm)
    truth = KMeans(9, n_init=10, random_state=seed).fit(day.values, sample_weight=day.weights)
    assert found.inertia <= 1.1 * truth.inertia_
    # The sample is the day, so the best is the best that scikit-learn makes of the same starts.
    starts = [start.inertia_ for start in on_sample(day, np.arange(270), seed)]
    assert found.inertia == pytest.approx(min(starts))
    assert (starts[0] <= 1.1 * truth.inertia_) == first_is_good
    assert found.reply.converged


def test_first_centres_are_those_of_the_best_start_on_the_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "_SAMPLE_POINTS", 150)
    day = blobs(600, HALVED, 1)
    algorithm = {"n_clusters": 9, "n_init": 3, "seed": 1, "tol": 1e-4, "max_iter": 300}
    found = k_means(tmp_path, day, split(tmp_path, day, 2, 1), algorithm)
    rows = np.sort(np.argsort(hash_ids(np.arange(600), 1))[:150])
    starts = on_sample(day, rows, 1)
    best = min(starts, key=lambda start: start.inertia_)
    assert np.abs(found.first - best.cluster_centers_).max() <= 1e-9
    assert best is not starts[0]
    # A lack of time ends the rounds on the sample, and all points still get theirs.
    monkeypatch.setattr(seeding, "_MOST_PRODUCTS", 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = min(on_sample(day, rows, 1, max_iter=1), key=lambda start: start.inertia_)
    again = k_means(tmp_path, day, split(tmp_path, day, 1, 0), algorithm)
    assert np.abs(again.first - best.cluster_centers_).max() <= 1e-9
    assert again.reply.converged


def on_sample(day: Day, rows: Any, seed: int, **options: Any) -> list[KMeans]:
    """What scikit-learn makes of three starts on these rows."""
    sample = Batch(rows, day.weights[rows], np.ascontiguousarray(day.values[rows].T))
    entities = np.repeat(day.values[rows], day.weights[rows], axis=0)
    chosen = [day.values[rows][plus_plus(sample, 9, (seed, start))] for start in range(3)]
    return [KMeans(9, init=first, n_init=1, **options).fit(entities) for first in chosen]
