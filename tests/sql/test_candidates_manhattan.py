"""Manhattan and Chebyshev candidates are the pairs that brute force in doubles finds, bit for bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree

from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.spec.pipeline import Distance
from cluster_assets.stages.candidates import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLDS = (5e-324, 1e-310, 1e-200, 1e-150, 1e-9, 0.1, 1.0, 3.0, 1e6, 1e149, 1e150)
METRICS = ("manhattan", "chebyshev")


def columns(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def brute(metric: str, points: Sequence[Sequence[float]], threshold: float) -> list[tuple[int, int, float]]:
    found = []
    for b, q in enumerate(points):
        for a, p in enumerate(points[:b]):
            sizes = [abs(x - y) for x, y in zip(p, q, strict=True)]
            distance = max(sizes)
            if metric == "manhattan":
                distance = 0.0
                for size in sizes:
                    distance += size
            if distance <= threshold:
                found.append((a, b, distance))
    return sorted(found)


@st.composite
def clouds(draw: st.DrawFn) -> tuple[float, list[tuple[float, ...]]]:
    """Points on and around multiples of the threshold, far out, huge and at random; some twice."""
    threshold = draw(st.sampled_from(THRESHOLDS))
    dimensions = draw(st.integers(1, 5))
    steps = st.integers(-3, 3).map(lambda k: k * threshold)
    around = st.tuples(steps, st.sampled_from([-math.inf, math.inf])).map(
        lambda pair: float(np.nextafter(pair[0], pair[1]))
    )
    far = st.sampled_from([2.0**40, 2.0**40 - 1, 2.0**41, 1e150]).map(lambda k: k * min(threshold, 1.0))
    number = st.one_of(
        steps, around, far, st.floats(-10, 10), st.sampled_from([0.0, 1e150, -1e150, 1e-300])
    ).map(lambda x: min(max(x, -1e150), 1e150) + 0.0)
    return threshold, draw(st.lists(st.tuples(*[number] * dimensions), max_size=12))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("examples", [10, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, metric: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(cloud=clouds())
    def holds(cloud: tuple[float, list[tuple[float, ...]]]) -> None:
        threshold, points = cloud
        dimensions = len(points[0]) if points else 2
        pairs = lake.candidates(Distance(metric=metric, threshold=threshold), columns(dimensions), points)
        assert pairs == brute(metric, points, threshold)

    holds()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_pairs_equal_those_of_kd_trees(lake: Any, metric: Any, dimensions: int) -> None:
    """On a lattice of sixteenths, where many pairs lie exactly at the threshold and no sum is rounded."""
    chance = np.random.default_rng([dimensions, 8])
    side = {1: 8000, 2: 400, 3: 110, 5: 40}[dimensions]
    values = np.unique(chance.integers(0, side, (3000, dimensions)) / 16, axis=0)
    threshold = {1: 0.25, 2: 0.75, 3: 1.0, 5: 0.5}[dimensions]
    found = lake.candidates(
        Distance(metric=metric, threshold=threshold), columns(dimensions), list(map(tuple, values.tolist()))
    )
    near = KDTree(values, metric=metric).query_radius(values, threshold)
    expected = {(a, int(b)) for a, others in enumerate(near) for b in others if a < b}
    assert {(a, b) for a, b, _ in found} == expected
    pairs = cKDTree(values).query_pairs(threshold, p=1 if metric == "manhattan" else math.inf)
    assert pairs == expected
    assert len(found) == len(expected) > 100


@pytest.mark.parametrize("metric", METRICS)
def test_five_hundred_dimensions(lake: Any, metric: Any) -> None:
    contract = points_contract(columns(500))
    rows = [(n, 1, *(float(k == 499 - n) for k in range(500))) for n in range(3)] + [(3, 1, *[0.0] * 500)]
    plan = metrics.plan(metrics.Comparison("vector", metric, 1.0, tuple(columns(500))))
    known = lake.prepare(plan, {"points": lake.write(contract.columns, rows)})
    found = lake.fill(plan.candidates, known, CANDIDATES)
    expected = brute(metric, [row[2:] for row in rows], 1.0)
    assert lake.rows(found) == expected
    assert len(expected) == (3 if metric == "manhattan" else 6)
