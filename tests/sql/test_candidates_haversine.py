"""Haversine candidates are the pairs that scikit-learn's formula finds, poles and antimeridian included."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import BallTree

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import CANDIDATES, Column, points_contract
from cluster_assets.spec.pipeline import Distance
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.candidates.metrics import haversine
from cluster_assets.stages.candidates.metrics.haversine import EARTH_RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE = (Column("latitude", "double"), Column("longitude", "double"))
CORNER = math.degrees(math.asin(1 / math.sqrt(3)))  # at 45 degrees east three faces of the cube meet there
HALF_WAY = EARTH_RADIUS_M * math.pi
THRESHOLDS = (1e-200, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 5e4, 1e6, 1e7, 0.75 * HALF_WAY, 0.9999 * HALF_WAY)


def reduced(p: tuple[float, float], q: tuple[float, float]) -> float:
    (lat1, lon1), (lat2, lon2) = ((a * (math.pi / 180), b * (math.pi / 180)) for a, b in (p, q))
    sin_latitude, sin_longitude = math.sin(0.5 * (lat1 - lat2)), math.sin(0.5 * (lon1 - lon2))
    return sin_latitude * sin_latitude + math.cos(lat1) * math.cos(lat2) * sin_longitude * sin_longitude


def brute(points: Sequence[tuple[float, float]], threshold: float) -> list[tuple[int, int, float]]:
    limit = math.sin(0.5 * (threshold / EARTH_RADIUS_M)) ** 2
    found = []
    for b, q in enumerate(points):
        for a, p in enumerate(points[:b]):
            if (r := reduced(p, q)) <= limit or limit >= 1:
                metres = 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(r)))
                found.append((a, b, min(metres, threshold)))
    return sorted(found)


@st.composite
def globes(draw: st.DrawFn) -> tuple[float, list[tuple[float, float]]]:
    """Places anywhere, at the poles, along the antimeridian and the cube, and a threshold apart."""
    threshold = draw(st.sampled_from(THRESHOLDS))
    degrees = math.degrees(threshold / EARTH_RADIUS_M)
    latitude = st.one_of(st.floats(-90, 90), st.sampled_from([90.0, -90.0, 89.9999999, 0.0, 45.0, -CORNER]))
    longitude = st.one_of(
        st.floats(-180, 180), st.sampled_from([180.0, -180.0, 179.9999999, -179.9999999, 0.0, 45.0, -135.0])
    )
    places = draw(st.lists(st.tuples(latitude, longitude), max_size=7))
    moves = st.sampled_from([(1.0, 0.0), (0.0, 1.0), (0.7, 0.7), (-0.999999, 0.0), (0.0, -1.0), (0.0, 0.0)])
    for place in list(places):
        north, east = draw(moves)
        stretch = max(math.cos(math.radians(place[0])), 1e-3)
        moved = place[1] + east * degrees / stretch
        moved = (moved + 180) % 360 - 180
        places.append((min(max(place[0] + north * degrees, -90.0), 90.0), min(max(moved, -180.0), 180.0)))
    return threshold, places


@pytest.mark.parametrize("examples", [12, pytest.param(200, marks=pytest.mark.long)])
def test_pairs_and_distances_equal_brute_force(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(globes())
    def holds(globe: tuple[float, list[tuple[float, float]]]) -> None:
        threshold, places = globe
        pairs = lake.candidates(Distance(metric="haversine", threshold=threshold), PLACE, places)
        assert pairs == brute(places, threshold)

    holds()


def test_half_way_round_every_pair_is_near(lake: Any) -> None:
    places = [
        (90.0, 0.0),
        (-90.0, 0.0),
        (0.0, 0.0),
        (0.0, 180.0),
        (0.0, -180.0),
        (45.0, 30.0),
        (-45.0, -150.0),
    ]
    pairs = lake.candidates(Distance(metric="haversine", threshold=HALF_WAY), PLACE, places)
    assert len(pairs) == len(places) * (len(places) - 1) // 2
    assert max(metres for _, _, metres in pairs) <= HALF_WAY


@pytest.mark.parametrize("threshold", [100.0, 20_000.0, 1_000_000.0])
def test_pairs_equal_those_of_a_ball_tree(lake: Any, threshold: float) -> None:
    chance = np.random.default_rng(5)
    middle = np.concatenate(
        [
            np.column_stack([chance.uniform(-90, 90, 300), chance.uniform(-180, 180, 300)]),
            np.column_stack([np.full(100, 90.0), chance.uniform(-180, 180, 100)]),
            np.column_stack([chance.uniform(-80, 80, 100), np.full(100, 180.0)]),
            np.column_stack([chance.uniform(-CORNER, CORNER, 100), chance.choice([45.0, -135.0], 100)]),
            np.column_stack([chance.choice([45.0, CORNER, -CORNER], 100), chance.choice([0.0, 45.0], 100)]),
        ]
    )
    spread = math.degrees(threshold / EARTH_RADIUS_M)
    places = np.concatenate([middle, middle + chance.normal(0, spread, middle.shape)])
    places[:, 0] = np.clip(places[:, 0], -90, 90)
    places[:, 1] = (places[:, 1] + 180) % 360 - 180
    places = np.unique(places, axis=0)
    tree = BallTree(np.radians(places), metric="haversine")
    near = tree.query_radius(np.radians(places), threshold / EARTH_RADIUS_M)
    expected = {(a, int(b)) for a, found in enumerate(near) for b in found if a < b}
    rows = [tuple(map(float, place)) for place in places]
    pairs = lake.candidates(Distance(metric="haversine", threshold=threshold), PLACE, rows)
    assert {(a, b) for a, b, _ in pairs} == expected
    assert len(expected) > 100


def test_pairs_across_an_edge_of_the_cube_need_its_margin(lake: Any) -> None:
    places = [(0.1 * k, 45.0 + side) for k in range(-100, 100) for side in (-1e-4, 1e-4)]
    asked = metrics.Comparison("geo", "haversine", 100.0, PLACE)
    plan = metrics.plan(asked)
    rows = [(number, 1, *place) for number, place in enumerate(places)]
    points = {"points": lake.write(points_contract(PLACE).columns, rows)}
    found = lake.rows(lake.fill(plan.candidates, lake.prepare(plan, points), CANDIDATES))
    assert found == brute(places, 100.0)
    assert len(found) == 200
    (step,) = plan.scratch
    side = haversine.chord(100.0) * 1.01
    values = {"side": side, "margin": 0.0}
    without = bind("candidates/grid/located_haversine.sql", structure={"has_faces": True}, values=values)
    narrow = replace(plan, scratch=(replace(step, statement=without),))
    assert lake.rows(lake.fill(plan.candidates, lake.prepare(narrow, points), CANDIDATES)) == []
