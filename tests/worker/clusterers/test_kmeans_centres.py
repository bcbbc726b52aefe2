"""Sums, nearest centres and first centres: what the rounds of k-means are made of."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kmeans_days import Day, days
from sklearn.cluster import kmeans_plusplus

from lambda_worker.clusterers.kmeans.seeding import plus_plus
from lambda_worker.clusterers.kmeans.sums import RoundSums, Units
from lambda_worker.kernel import VARIABLE
from lambda_worker.metrics.nearest import Nearest
from lambda_worker.tables.points import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator

coordinates = st.one_of(st.floats(-1.0, 1.0), st.floats(-1e6, 1e6), st.floats(-1e150, 1e150))


@settings(max_examples=150)
@given(
    numbers=st.lists(
        st.tuples(coordinates, st.integers(1, 2**30), st.integers(0, 2)), min_size=1, max_size=40
    ),
    seed=st.integers(0, 99),
)
@example(numbers=[(5e-324, 1, 0), (1e150, 3, 0), (-1e150, 3, 0)], seed=0)
@example(numbers=[(5e-324, 1, 0), (0.0, 3, 0)], seed=0)
@example(numbers=[(0.0, 1, 0)], seed=0)
@example(numbers=[(1.1011067122809956e-13, 1, 0)] * 3, seed=0)
def test_sums_are_right_and_do_not_depend_on_order_and_split(
    numbers: list[tuple[float, int, int]], seed: int
) -> None:
    values, weights, labels = (np.array(column) for column in zip(*numbers, strict=True))
    points = Batch(np.arange(len(values)), weights, values[np.newaxis].astype(float))
    units = Units.of_range(points.vectors.min(axis=1), points.vectors.max(axis=1))
    distances = np.square(values - values.mean())
    whole, sums = RoundSums(1, 3), RoundSums(1, 3)
    with kernel_switched("off"):
        whole.add(points, labels, distances, units)
    order = np.random.default_rng(seed).permutation(len(values))
    for part in np.array_split(order, 3):
        if len(part):
            sums.add(points.take(part), labels[part], distances[part], units)
    assert np.array_equal(sums.totals, whole.totals)
    assert np.array_equal(sums.entities, whole.entities)
    for group in range(3):
        held = labels == group
        if held.any():
            pairs = zip(values[held].tolist(), weights[held].tolist(), strict=True)
            truth = sum(Fraction(value) * weight for value, weight in pairs) / int(weights[held].sum())
            slack = 2.0**-52 * np.ptp(values) + 2.0**-52 * abs(float(truth)) + 1e-300
            assert abs(sums.means(units)[0, group] - float(truth)) <= slack
    exact = sum(
        Fraction(value) * weight for value, weight in zip(distances.tolist(), weights.tolist(), strict=True)
    )
    limit = Fraction(sys.float_info.max)
    # Squares of what doubles of this size lose when they are rounded are below the units.
    lost = 1e-290 + float(np.square(2.0**-50 * values).max() * weights.sum())
    assert sums.inertia(units) == pytest.approx(float(min(exact, limit)), rel=1e-12, abs=lost)


def test_a_sum_too_large_for_a_double_is_the_largest() -> None:
    units = Units.of_range(np.array([-3e153]), np.array([3e153]))
    points = Batch(np.arange(2), np.array([2**20, 1]), np.array([[-3e153, 3e153]]))
    sums = RoundSums(1, 1)
    sums.add(points, np.zeros(2, np.intp), np.array([3.6e307, 0.0]), units)
    assert sums.inertia(units) == sys.float_info.max


@settings(max_examples=150)
@given(day=days(), clusters=st.integers(1, 12), seed=st.integers(0, 99))
def test_labels_are_the_lowest_of_the_nearest(day: Day, clusters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = day.values[rng.integers(0, len(day.values), clusters)] + rng.integers(0, 2) * 0.125
    distance = np.zeros((len(day.values), clusters))
    for values, places in zip(day.values.T, centres.T, strict=True):
        distance += (values[:, np.newaxis] - places) ** 2
    find_both_ways(centres.T, day.values.T, distance)


@pytest.mark.parametrize("dimensions", [3, 8, 9])
@pytest.mark.parametrize("offset", [0.0, 1e8, 1e150])
def test_centres_closer_than_the_product_can_tell_are_measured(offset: float, dimensions: int) -> None:
    rng = np.random.default_rng(3)
    values = offset + rng.normal(size=(dimensions, 500)) * max(1.0, offset * 1e-12)
    centres = values[:, :40] + offset * 1e-15
    distance = sum((x[:, np.newaxis] - c) ** 2 for x, c in zip(values, centres, strict=True))
    find_both_ways(centres, values, np.asarray(distance))


def find_both_ways(centres: Any, values: Any, distance: Any) -> None:
    """Find the nearest centres with and without the kernel, and compare with all distances."""
    for switch in ("on", "off"):
        with kernel_switched(switch):
            labels, distances = Nearest(centres).find(values)
        assert np.array_equal(labels, distance.argmin(axis=1))
        assert np.array_equal(distances, distance.min(axis=1))


@contextmanager
def kernel_switched(switch: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, switch)
        yield


def test_first_centres_are_as_good_as_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(600, 3)) + 8.0 * rng.integers(0, 6, (600, 1))
    weights = rng.integers(1, 9, 600)
    batch = Batch(np.arange(600), weights, np.ascontiguousarray(values.T))

    def inertia(centres: Any) -> float:
        return float(((((values[:, np.newaxis] - centres) ** 2).sum(axis=2)).min(axis=1) * weights).sum())

    ours = np.median([inertia(values[plus_plus(batch, 6, (seed, 0))]) for seed in range(15)])
    theirs = np.median(
        [inertia(kmeans_plusplus(values, 6, sample_weight=weights, random_state=s)[0]) for s in range(15)]
    )
    assert ours <= 1.1 * theirs


def test_first_centres_are_points_and_differ_with_the_seed_and_the_start() -> None:
    values = np.random.default_rng(5).normal(size=(2, 300))
    batch = Batch(np.arange(300), np.ones(300, np.int64), values)
    chosen = [plus_plus(batch, 10, seed) for seed in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert len(set(chosen[0].tolist())) == 10
    assert np.array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    assert not np.array_equal(chosen[0], chosen[3])
