"""Cosine candidates of vectors are the pairs that brute force in the same order of operations finds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances

from cluster_assets.domain.tables import Column
from cluster_assets.spec.pipeline import Distance

if TYPE_CHECKING:
    from collections.abc import Sequence

THRESHOLDS = (1e-300, 2.0**-52, 1e-12, 1e-6, 0.01, 0.1, 0.5, 1.0, 1.5, float(np.nextafter(2, 0)), 2.0)


def columns(dimensions: int) -> tuple[Column, ...]:
    return tuple(Column(f"x{k}", "double") for k in range(dimensions))


def unit(x: Sequence[float]) -> list[float]:
    y = [value * 2.0**700 for value in x] if max(map(abs, x)) < 2.0**-400 else list(x)
    squares = 0.0
    for value in y:
        squares += value * value
    length = math.sqrt(squares)
    return [value / length for value in y] if length else y


def brute(points: Sequence[Sequence[float]], threshold: float) -> list[tuple[int, int, float]]:
    units, found = [unit(point) for point in points], []
    for b, v in enumerate(units):
        for a, u in enumerate(units[:b]):
            product = 0.0
            for x, y in zip(u, v, strict=True):
                product += x * y
            distance = min(max(1 - product, 0.0), 2.0)
            if distance <= threshold:
                found.append((a, b, distance))
    return sorted(found)


@st.composite
def bundles(draw: st.DrawFn) -> tuple[float, list[tuple[float, ...]]]:
    """Directions at random, along axes, opposite, about one threshold apart; tiny, huge; perhaps zero."""
    threshold = draw(st.sampled_from(THRESHOLDS))
    dimensions = draw(st.integers(1, 5))
    number = st.one_of(
        st.floats(-1, 1), st.sampled_from([0.0, 1.0, -1.0, 1e-9]), st.floats(-1e150, 1e150)
    ).map(lambda x: x + 0.0)
    points = draw(st.lists(st.tuples(*[number] * dimensions), max_size=6))
    scales = st.sampled_from([1.0, -1.0, 0.1, 1e-155, 1e-310, 3.0])
    for point in list(points):
        factor, angle = draw(scales), math.acos(max(1 - threshold, -1.0))
        points.append(tuple(min(max(x * factor, -1e150), 1e150) + 0.0 for x in point))
        if dimensions > 1:
            x, y, *rest = point
            turned = (x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle))
            points.append(tuple(min(max(z, -1e150), 1e150) + 0.0 for z in (*turned, *rest)))
    return threshold, points


@pytest.mark.parametrize("examples", [15, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(bundles())
    def holds(bundle: tuple[float, list[tuple[float, ...]]]) -> None:
        threshold, points = bundle
        dimensions = len(points[0]) if points else 2
        pairs = lake.candidates(Distance(metric="cosine", threshold=threshold), columns(dimensions), points)
        assert pairs == brute(points, threshold)

    holds()


@pytest.mark.parametrize(("dimensions", "threshold"), [(2, 1e-5), (3, 1e-3), (5, 0.01), (40, 0.5)])
def test_pairs_equal_those_of_scikit_learn(lake: Any, dimensions: int, threshold: float) -> None:
    """At random no pair lies within the last bits of the threshold, so that both must agree."""
    values = np.random.default_rng(dimensions).normal(size=(1500, dimensions))
    rows = [tuple(map(float, row)) for row in values]
    found = lake.candidates(Distance(metric="cosine", threshold=threshold), columns(dimensions), rows)
    distances = cosine_distances(values)
    expected = {(int(a), int(b)) for a, b in zip(*np.nonzero(distances <= threshold), strict=True) if a < b}
    assert {(a, b) for a, b, _ in found} == expected
    assert len(expected) > 10
    assert max(abs(distance - distances[a, b]) for a, b, distance in found) < 1e-15


def test_a_vector_of_zeros_is_at_distance_one_from_all_others(lake: Any) -> None:
    points = [(0.0, 0.0), (1.0, 0.0), (-1.0, 2.0)]
    assert lake.candidates(Distance(metric="cosine", threshold=1.0), columns(2), points)[:2] == [
        (0, 1, 1.0),
        (0, 2, 1.0),
    ]
