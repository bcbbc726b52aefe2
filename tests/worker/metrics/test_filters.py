"""No filter loses a near pair, in any order of additions; the pairs at the threshold decide."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lambda_worker.kernel import VARIABLE, loaded
from lambda_worker.metrics.filters import CosineFilter, distance_filter
from lambda_worker.metrics.leading import filter_along, leading_filter
from lambda_worker.metrics.listed import METRICS, build_metric, directions
from lambda_worker.tables.points import Points


def points_of(values: Any) -> Points:
    return Points(np.arange(values.shape[1]), values)


def sums_in_order(left: Any, right: Any, order: Any) -> Any:
    """L @ R.T, one product after the other in a given order, each rounded; shape (rows, columns)."""
    total = np.zeros((len(left), len(right)), left.dtype)
    for k in order:
        total += left[:, k, None] * right[None, :, k]
    return total


def axes_of(chance: np.random.Generator, count: int, dimensions: int) -> Any:
    return np.linalg.qr(chance.standard_normal((dimensions, count)))[0].T


@st.composite
def groups(draw: st.DrawFn) -> tuple[np.random.Generator, Points]:
    """Points around few centres, so that many distances are alike, down to rounding."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    dimensions, count = draw(st.integers(2, 90)), draw(st.integers(3, 30))
    centres = chance.standard_normal((dimensions, draw(st.integers(1, 3))))
    spread = 10.0 ** draw(st.integers(-17, 0))
    values = centres[:, chance.integers(0, centres.shape[1], count)]
    values = values + spread * chance.standard_normal((dimensions, count))
    if draw(st.booleans()):
        values[:, 0] = 0.0
    return chance, points_of(values)


@settings(max_examples=150)
@given(groups(), st.sampled_from(["cosine", "leading", "euclidean", "manhattan", "chebyshev"]), st.data())
def test_every_near_pair_passes(
    group: tuple[np.random.Generator, Points], name: str, data: st.DataObject
) -> None:
    """The threshold is the distance of a pair, or one number beside it."""
    chance, points = group
    metric = name if name in METRICS else "cosine"
    points = directions(points) if metric == "cosine" else points
    a, b = np.triu_indices(len(points), 1)
    distance = build_metric(metric, math.inf).measure(points, a, points, b).distance
    tie = float(distance[data.draw(st.integers(0, len(a) - 1))])
    threshold = data.draw(st.sampled_from([tie, math.nextafter(tie, 0), math.nextafter(tie, 9)]))
    assume(threshold > 0)
    if name == "cosine":
        chooses: Any = CosineFilter(threshold)
    elif name == "leading":
        count = data.draw(st.integers(1, len(points.values) - 1))
        chooses = filter_along(axes_of(chance, count, len(points.values)), threshold)
    else:
        chooses = distance_filter(metric, threshold, len(points.values))
    seen = chooses.project(points)
    left, right, limit = chooses.factors(seen, seen)
    near = build_metric(metric, threshold).measure(points, a, points, b).is_near
    a, b = a[near], b[near]
    columns = np.arange(left.shape[1])
    for order in (columns, columns[::-1], chance.permutation(columns)):
        assert (sums_in_order(left, right, order)[a, b] <= limit).all()
    assert ((left @ right.T)[a, b] <= limit).all()


def test_pairs_at_the_threshold_need_the_margin() -> None:
    """Without it, rounding in float32 would lose some of these pairs; with it, hardly any others pass."""
    chance = np.random.default_rng(7)
    values = np.repeat(chance.standard_normal((200, 40)), 2, axis=1)
    values[:, ::2] += 0.2 * chance.standard_normal((200, 40))
    points = directions(points_of(values))
    a, b = np.arange(0, 80, 2), np.arange(1, 80, 2)
    distance = build_metric("cosine", 2.0).measure(points, a, points, b).distance
    missed = 0
    for one, other, threshold in zip(a, b, distance, strict=True):
        left, right, limit = CosineFilter(threshold).factors(points, points)
        assert left.dtype == np.float32
        product = left[one] @ right[other]
        assert product <= limit
        missed += product > threshold - 1
        assert ((left @ right.T) <= limit).sum() < len(points) ** 2 / 10
    assert missed


def test_axes_that_are_not_orthonormal_are_refused() -> None:
    axes = axes_of(np.random.default_rng(1), 20, 60)
    assert filter_along(axes, 0.1) is not None
    assert filter_along(axes * 1.01, 0.1) is None
    assert filter_along(np.full((20, 60), np.nan), 0.1) is None


def test_directions_are_few_where_they_separate_the_points_and_none_where_they_do_not() -> None:
    chance = np.random.default_rng(3)
    anywhere = directions(points_of(chance.standard_normal((300, 1000)))).values
    found = leading_filter(0.1, anywhere, 10**7)
    assert found is not None
    assert len(found.axes) <= 96
    assert leading_filter(0.9, anywhere, 10**7) is None
    assert leading_filter(0.1, anywhere, 10**6) is None


@settings(max_examples=80)
@given(groups(), st.sampled_from(sorted(METRICS)), st.sampled_from(["C", "F", "slice"]))
def test_listed_pairs_have_the_same_bits_with_the_kernel(
    group: tuple[np.random.Generator, Points], metric: str, layout: str
) -> None:
    chance, points = group
    values = np.array(points.values, order="F" if layout == "F" else "C")
    other = points_of(values[:, 1:] if layout == "slice" else values)
    rows, columns = chance.integers(0, len(points), 50), chance.integers(0, len(other), 50)
    found = []
    for switch in ("on", "off"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, switch)
            assert switch == "on" or loaded() is None
            near = build_metric(metric, 0.5).measure(points, rows, other, columns)
            found.append((near.is_near.tobytes(), near.distance.tobytes()))
    assert found[0] == found[1]
