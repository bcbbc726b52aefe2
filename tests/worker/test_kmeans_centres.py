"""Exact sums, nearest centres and first centres: what the rounds of k-means are made of."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kmeans_days import Day, days
from sklearn.cluster import kmeans_plusplus

from lambda_worker.centroids.exact import ExactSums, Groups
from lambda_worker.centroids.nearest import Nearest
from lambda_worker.centroids.points import Batch
from lambda_worker.centroids.seeding import plus_plus
from lambda_worker.contract.centroids import LEVEL_BITS, rounded_sum

finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e150, max_value=1e150)


@settings(max_examples=150, deadline=None)
@given(
    numbers=st.lists(st.tuples(finite, st.integers(1, 2**30), st.integers(0, 2)), min_size=1, max_size=40),
    seed=st.integers(0, 99),
)
@example(numbers=[(5e-324, 1, 0), (1e150, 3, 0), (-1e150, 3, 0)], seed=0)
@example(numbers=[(0.0, 1, 0)], seed=0)
def test_sums_lose_nothing(numbers: list[tuple[float, int, int]], seed: int) -> None:
    values, weights, labels = (np.array(column) for column in zip(*numbers, strict=True))
    sums = ExactSums(3, 1)
    order = np.random.default_rng(seed).permutation(len(values))
    for part in np.array_split(order, 3):
        if len(part):
            sums.add(values[np.newaxis, part], Groups(labels[part], weights[part]))
    for group in range(3):
        truth = sum(Fraction(value) * weight for value, weight, label in numbers if label == group)
        assert Fraction(int(sums.totals(0)[group])) / Fraction(2) ** (LEVEL_BITS * sums.finest) == truth
        exact = tuple((at, int(part[0, group])) for at, part in sums.levels.items())
        assert rounded_sum([exact]) == float(truth)


def test_a_sum_too_large_for_a_double_is_the_largest() -> None:
    assert rounded_sum([((-43, 2**40),)]) == sys.float_info.max


@settings(max_examples=150, deadline=None)
@given(day=days(), clusters=st.integers(1, 12), seed=st.integers(0, 99))
def test_labels_are_the_lowest_of_the_nearest(day: Day, clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = day.values[rng.integers(0, len(day.values), clusters)] + rng.integers(0, 2) * 0.125
    distance = np.zeros((len(day.values), clusters))
    for values, places in zip(day.values.T, centres.T, strict=True):
        distance += (values[:, np.newaxis] - places) ** 2
    labels = Nearest(np.ascontiguousarray(centres.T)).labels(np.ascontiguousarray(day.values.T))
    assert np.array_equal(labels, distance.argmin(axis=1))


@pytest.mark.parametrize("offset", [0.0, 1e8, 1e150])
def test_centres_closer_than_the_product_can_tell_are_measured(offset: float) -> None:
    rng = np.random.default_rng(3)
    values = offset + rng.normal(size=(3, 500)) * max(1.0, offset * 1e-12)
    centres = values[:, :40] + offset * 1e-15
    distance = sum((x[:, np.newaxis] - c) ** 2 for x, c in zip(values, centres, strict=True))
    assert np.array_equal(Nearest(centres).labels(values), np.asarray(distance).argmin(axis=1))


def test_first_centres_are_as_good_as_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 3)) + 8.0 * rng.integers(0, 6, (600, 1))
    weights = rng.integers(1, 9, 600)
    batch = Batch(np.arange(600), weights, np.ascontiguousarray(values.T))

    def inertia(centres: Any) -> float:
        return float(((((values[:, np.newaxis] - centres) ** 2).sum(axis=2)).min(axis=1) * weights).sum())

    ours = np.median([inertia(values[plus_plus(batch, 6, seed)]) for seed in range(15)])
    theirs = np.median(
        [inertia(kmeans_plusplus(values, 6, sample_weight=weights, random_state=s)[0]) for s in range(15)]
    )
    assert ours <= 1.1 * theirs


def test_first_centres_are_points_and_differ_with_the_seed() -> None:
    values = np.random.default_rng(5).normal(size=(2, 300))
    batch = Batch(np.arange(300), np.ones(300, np.int64), values)
    chosen = [plus_plus(batch, 10, seed) for seed in (1, 1, 2)]
    assert len(set(chosen[0].tolist())) == 10
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
