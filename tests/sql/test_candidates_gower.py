"""Candidates of several features are the pairs that brute force finds, with the same sums."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wagner_fischer import levenshtein

from cluster_assets.backends.statements import count_of
from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics.gower import features_of, routes_of

TYPES = {"number": "double", "category": "varchar", "set": "array(varchar)", "text": "varchar"}
KINDS = (*TYPES, "geo")
Point = tuple[Any, ...]
Pair = tuple[int, int, float]


def part_distance(kind: str, x: Any, y: Any, width: float) -> float:
    if kind == "number":
        return float(abs(x - y) / width) if width else 0.0
    if kind == "category":
        return 0.0 if x == y else 1.0
    if kind == "set":
        common = len(set(x) & set(y))
        return (len(x) + len(y) - 2 * common) / (len(x) + len(y) - common)
    if kind == "text":
        return levenshtein(x, y) / max(len(x), len(y), 1)
    (a, b), (c, d) = ([degree * 0.017453292519943295 for degree in place] for place in (x, y))
    sines = math.sin(0.5 * (a - c)), math.sin(0.5 * (b - d))
    reduced = sines[0] * sines[0] + math.cos(a) * math.cos(c) * sines[1] * sines[1]
    return 2 * math.asin(math.sqrt(reduced) if reduced < 1 else 1.0) / math.pi


def distances(parts: list[metrics.Part], points: list[Point]) -> list[Pair]:
    """Of all pairs, added in the order of the parts."""
    total, found = sum(part.weight for part in parts), []
    widths = [
        max(p[k] for p in points) - min(p[k] for p in points) if part.kind == "number" and points else 0.0
        for k, part in enumerate(parts)
    ]
    for a, b in itertools.combinations(range(len(points)), 2):
        value = 0.0
        for k, part in enumerate(parts):
            value += part.weight * part_distance(part.kind, points[a][k], points[b][k], widths[k])
        found.append((a, b, value / total))
    return found


def columns_of(parts: list[metrics.Part]) -> tuple[Column, ...]:
    return tuple(
        Column(name, TYPES.get(part.kind, "double"))
        for part in parts
        for name in (
            [f"{part.name}_latitude", f"{part.name}_longitude"] if part.kind == "geo" else [part.name]
        )
    )


def candidates(lake: Any, parts: list[metrics.Part], points: list[Point], threshold: float) -> list[Pair]:
    columns = columns_of(parts)
    rows = [
        (number, 1, *(value for part, held in zip(parts, point, strict=True)
                      for value in (held if part.kind == "geo" else [held])))
        for number, point in enumerate(points)
    ]  # fmt: skip
    plan = metrics.plan(metrics.Comparison("mixed", "gower", threshold, columns, tuple(parts)))
    known = {"points": lake.write(points_contract(columns).columns, rows)}
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    pairs = lake.rows(lake.fill(plan.candidates, known, CANDIDATES))
    compared = lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"]
    assert compared >= len(pairs)
    assert lake.engine.fetch(count_of(plan.candidates), known).rows[0]["rows"] == len(pairs)
    return list(pairs)


LETTERS = ["a", "b", "é", "\U0001f600", "e\u0301"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "number": st.one_of(
        st.sampled_from([0.0, 1.0, 0.5, 0.25, -3.0, 1e150, -1e150, 5e-324, 0.1, 0.3]), st.floats(-2, 2)
    ).map(lambda x: x + 0.0),
    "category": st.sampled_from(["x", "y", "", "é"]),
    "set": st.frozensets(st.sampled_from([*LETTERS, "", "c", "d"]), min_size=1, max_size=5).map(sorted),
    "text": st.lists(st.sampled_from(LETTERS), max_size=5).map("".join),
    "geo": st.tuples(
        st.sampled_from([-90.0, 0.0, 45.0, 45.001, 90.0, 12.3]),
        st.sampled_from([-180.0, 180.0, 0.0, 179.9, 7.0, 7.001]),
    ),
}
WEIGHTS = st.sampled_from([1.0, 1.0, 2.0, 0.1, 10.0, 1e-6, 1e6, 1 / 3])
NAMES = ["order", "user", "home", "table", "a_b"]


@st.composite
def days(
    draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, *, inputs: int
) -> tuple[list[metrics.Part], list[Point]]:
    """Small inputs make one day: a statement takes about as long for all as for one."""
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    parts = [
        metrics.Part(NAMES[k], kind, draw(WEIGHTS))  # type: ignore[arg-type]
        for k, kind in enumerate(chosen)
    ]
    one = st.lists(st.tuples(*(VALUES[kind] for kind in chosen)), max_size=9)
    return parts, [
        point for points in draw(st.lists(one, min_size=inputs, max_size=inputs)) for point in points
    ]


def check(lake: Any, parts: list[metrics.Part], points: list[Point], threshold: float) -> None:
    expected = [pair for pair in distances(parts, points) if pair[2] <= threshold]
    assert candidates(lake, parts, points, threshold) == expected


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_and_sums_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(days(KINDS[:-1], inputs=4), st.data())
    def holds(day: tuple[list[metrics.Part], list[Point]], data: st.DataObject) -> None:
        parts, points = day
        reached = [pair[2] for pair in distances(parts, points) if 0 < pair[2] <= 1]
        ties = [*reached, *(math.nextafter(value, 0) for value in reached if value > 1e-300)]
        threshold = data.draw(st.sampled_from([*ties, 0.1, 0.3, 0.5, 0.9, 1.0, 1e-9, 1 - 2**-53]))
        check(lake, parts, points, threshold)

    holds()


@pytest.mark.parametrize("examples", [5, pytest.param(15, marks=pytest.mark.long)])
def test_places_are_measured_on_the_sphere(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(days(inputs=4), st.sampled_from([1e-9, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0]))
    def holds(day: tuple[list[metrics.Part], list[Point]], threshold: float) -> None:
        parts, points = day
        found = {(a, b): distance for a, b, distance in candidates(lake, parts, points, threshold)}
        for a, b, distance in distances(parts, points):
            if abs(distance - threshold) > 1e-12:
                assert ((a, b) in found) == (distance < threshold)
            if (a, b) in found:
                assert found[a, b] == pytest.approx(distance, abs=1e-14)

    holds()


def crowd(kinds: tuple[str, ...], count: int) -> list[Point]:
    chance = random.Random(11)
    values = {
        "number": lambda: round(chance.gauss(0, 1), 3),
        "category": lambda: chance.choice("aaaaaab"),
        "set": lambda: sorted({str(int(chance.paretovariate(0.8))) for _ in range(chance.randint(1, 9))}),
        "text": lambda: "".join(chance.choices("abé", k=chance.randint(0, 9))),
        "geo": lambda: (round(chance.uniform(-90, 90), 2), round(chance.uniform(-180, 180), 2)),
    }
    return [tuple(values[kind]() for kind in kinds) for _ in range(count)]


@pytest.mark.parametrize(
    "kinds", [kinds for n in (1, 2) for kinds in itertools.combinations(KINDS, n)] + [KINDS]
)
@pytest.mark.parametrize("threshold", [0.05, 0.6])
def test_every_combination_of_kinds(lake: Any, kinds: tuple[str, ...], threshold: float) -> None:
    parts = [metrics.Part(f"f{k}", kind, 1.0 + k) for k, kind in enumerate(kinds)]  # type: ignore[arg-type]
    points = crowd(kinds, 40)
    expected = [pair for pair in distances(parts, points) if pair[2] <= threshold]
    found = candidates(lake, parts, points, threshold)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in expected]
    assert [pair[2] for pair in found] == pytest.approx([pair[2] for pair in expected], abs=1e-14)


def test_points_that_differ_in_nothing_that_counts(lake: Any) -> None:
    parts = [metrics.Part("n", "number", 1.0), metrics.Part("c", "category", 1.0)]
    assert candidates(lake, parts, [(7.0, "x")] * 4, 0.1) == [
        (a, b, 0.0) for a, b in itertools.combinations(range(4), 2)
    ]


def routes(threshold: float, **kinds: tuple[str, float]) -> Any:
    parts = tuple(metrics.Part(name, kind, weight) for name, (kind, weight) in kinds.items())  # type: ignore[arg-type]
    return routes_of(features_of(metrics.Comparison("mixed", "gower", threshold, (), parts)), threshold)


def test_all_features_that_filter_make_one_key() -> None:
    (one,) = routes(0.1, n=("number", 1.0), c=("category", 1.0), s=("set", 1.0), m=("number", 0.1))
    assert one.categories == (1,)
    assert one.tokens == 2
    assert [axis.k for axis in one.axes] == [0]
    (three,) = routes(0.05, n=("number", 1.0), m=("number", 1.0), g=("geo", 1.0), t=("text", 1.0))
    assert [(axis.k, axis.coordinate) for axis in three.axes] == [(0, 0), (1, 0), (3, 0)]
    (place,) = routes(0.05, n=("number", 1.0), g=("geo", 1.0))
    assert [(axis.k, axis.coordinate) for axis in place.axes] == [(1, 0), (1, 1), (1, 2)]


def test_without_a_filter_one_of_the_features_must_be_near() -> None:
    each = routes(0.5, n=("number", 1.0), c=("category", 1.0), s=("set", 1.0))
    assert [(len(route.axes), route.categories, route.tokens) for route in each] == [
        (1, (), None), (0, (1,), None), (0, (), 2)
    ]  # fmt: skip
    (everything,) = routes(1.0, n=("number", 1.0), c=("category", 1.0))
    assert not everything.has_key


def test_a_crowded_category_is_narrowed_by_the_other_features(lake: Any) -> None:
    kinds = ("category", "number", "number")
    parts = [metrics.Part(f"f{k}", kind, 1.0) for k, kind in enumerate(kinds)]  # type: ignore[arg-type]
    points = crowd(kinds, 600)
    columns = columns_of(parts)
    plan = metrics.plan(metrics.Comparison("mixed", "gower", 0.01, columns, tuple(parts)))
    known = {
        "points": lake.write(points_contract(columns).columns, [(n, 1, *p) for n, p in enumerate(points)])
    }
    for step in plan.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    compared = lake.engine.fetch(plan.comparisons, known).rows[0]["comparisons"]
    assert 0 < compared < 0.02 * 600 * 599 / 2
