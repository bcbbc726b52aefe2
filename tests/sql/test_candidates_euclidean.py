"""Euclidean candidates are the pairs that brute force in doubles finds, bit for bit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.spec.pipeline import Distance
from cluster_assets.stages.candidates import metrics

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLDS = (5e-324, 1e-310, 1e-200, 1e-162, 1e-154, 1e-150, 1e-9, 0.1, 1.0, 3.0, 1e6, 1e149, 1e150)


def columns(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def brute(points: Sequence[Sequence[float]], threshold: float) -> list[tuple[int, int, float]]:
    found = []
    for b, q in enumerate(points):
        for a, p in enumerate(points[:b]):
            squared = 0.0
            for x, y in zip(p, q, strict=True):
                squared += (x - y) * (x - y)
            if squared <= threshold * threshold:
                found.append((a, b, min(math.sqrt(squared), threshold)))
    return sorted(found)


@st.composite
def clouds(draw: st.DrawFn) -> tuple[float, list[tuple[float, ...]]]:
    """Points on and around multiples of the threshold, far out, huge and at random; some twice."""
    threshold = draw(st.sampled_from(THRESHOLDS))
    dimensions = draw(st.integers(1, 5))
    steps = st.integers(-3, 3).map(lambda k: k * threshold)
    around = st.tuples(steps, st.sampled_from([-1, 0, 1])).map(
        lambda pair: float(np.nextafter(pair[0], math.inf * pair[1])) if pair[1] else pair[0]
    )
    far = st.sampled_from([2.0**40, 2.0**40 - 1, 2.0**41, 1e150]).map(lambda k: k * min(threshold, 1.0))
    number = st.one_of(
        steps,
        around,
        far,
        st.floats(-10, 10),
        st.sampled_from([0.0, 1e150, -1e150, 1e-300]),
        st.floats(-1e150, 1e150),
    ).map(lambda x: min(max(x, -1e150), 1e150) + 0.0)
    points = draw(st.lists(st.tuples(*[number] * dimensions), min_size=0, max_size=12))
    return threshold, points


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(clouds())
    def holds(cloud: tuple[float, list[tuple[float, ...]]]) -> None:
        threshold, points = cloud
        dimensions = len(points[0]) if points else 2
        pairs = lake.candidates(
            Distance(metric="euclidean", threshold=threshold), columns(dimensions), points
        )
        assert pairs == brute(points, threshold)

    holds()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e12])
def test_neighbours_at_exactly_the_threshold_far_from_the_origin(lake: Any, scale: float) -> None:
    threshold = 0.1 * scale
    starts = [k * threshold * 1e6 for k in range(-20, 20)]
    points = [(x + step,) for x in starts for step in (0.0, threshold, float(np.nextafter(threshold, 0)))]
    assert lake.candidates(Distance(metric="euclidean", threshold=threshold), columns(1), points) == brute(
        points, threshold
    )


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 8])
def test_pairs_equal_those_of_a_kd_tree(lake: Any, dimensions: int) -> None:
    count = 3000
    spread = {1: 300.0, 2: 30.0, 3: 10.0, 4: 5.0, 8: 2.0}[dimensions]
    points = lake.copy(
        "SELECT i AS point_id, 1::BIGINT AS weight, "
        + ", ".join(
            f"(hash(i * 10 + {k}) % 1000003) / 1000003e0 * {spread} AS x{k}" for k in range(dimensions)
        )
        + f" FROM range({count}) AS t(i)"
    )
    values = np.array([row[2:] for row in lake.rows(points)])
    threshold = {1: 0.3, 2: 0.5, 3: 0.5, 4: 0.6, 8: 0.8}[dimensions]
    expected = {(int(a), int(b)) for a, b in cKDTree(values).query_pairs(threshold)}
    pairs = lake.join(
        Distance(metric="euclidean", threshold=threshold), columns(dimensions), {"points": points}
    )
    assert {(a, b) for a, b, _ in pairs} == expected
    assert len(pairs) == len(expected) > 100


def test_five_hundred_dimensions(lake: Any) -> None:
    contract = points_contract(columns(500))
    rows = [(n, 1, *(float(k == n) for k in range(500))) for n in range(3)] + [(3, 1, *[0.0] * 500)]
    plan = metrics.plan(metrics.Comparison("vector", "euclidean", 1.0, tuple(columns(500))))
    known = lake.prepare(plan, {"points": lake.write(contract.columns, rows)})
    found = lake.fill(plan.candidates, known, CANDIDATES)
    assert lake.rows(found) == [(0, 3, 1.0), (1, 3, 1.0), (2, 3, 1.0)]


def test_comparisons_count_the_distance_tests(lake: Any) -> None:
    """On a line with cells a little wider than 1, six points in one cell and two in the next one."""
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.5, 1.6, 9.5]
    contract = (Column("point_id", "bigint"), Column("weight", "bigint"), Column("x0", "double"))
    points = lake.write(contract, [(n, 1, x) for n, x in enumerate(values)])
    plan = metrics.plan(metrics.Comparison("vector", "euclidean", 1.0, tuple(columns(1))))
    known = lake.prepare(plan, {"points": points})
    compared = lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"]
    assert compared == 6 * 5 // 2 + 1 + 6 * 2
