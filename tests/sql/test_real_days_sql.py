"""Real days of the three demo pipelines: points equal Python's, pairs equal brute force over them.

Four days; ten are among the long tests.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
import yaml
from sklearn.preprocessing import StandardScaler

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import features_contract
from cluster_assets.domain.tables import MEMBERS, SCALES, points_contract
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.candidates.metrics.haversine import EARTH_RADIUS_M
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.raw.files import check_columns

if TYPE_CHECKING:
    from pathlib import Path

DEFS = PACKAGED_DEFS
DAYS = [f"2013-0{month}-{day:02}" for month, day in itertools.product((3, 4, 5, 6, 8), (4, 27))]
Values = dict[str, tuple[Any, ...]]


def spec_of(name: str) -> PipelineSpec:
    return PipelineSpec.model_validate(yaml.safe_load((DEFS / name / "defs.yaml").read_text())["attributes"])


def rows_of(data: Path, day: str) -> dict[str, list[tuple[Any, ...]]]:
    """Raw rows by address: protocol, port, sensor, source port, latitude, longitude."""
    found = duckdb.execute(
        "SELECT src_ip, protocol, dst_port, sensor, src_port, latitude, longitude FROM read_parquet(?) "
        "WHERE CAST(event_time AS DATE) = CAST(? AS DATE)",
        [str(data / "honeypot_2013.parquet"), day],
    ).fetchall()
    by_address: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for address, *row in found:
        by_address[address].append(tuple(row))
    return dict(sorted(by_address.items()))


def attackers(rows: dict[str, list[tuple[Any, ...]]]) -> Values:
    return {
        address: (tuple(sorted({row[0] + ("" if row[1] is None else f"/{row[1]}") for row in seen})),)
        for address, seen in rows.items()
    }


def origins(rows: dict[str, list[tuple[Any, ...]]]) -> Values:
    places: Values = {}
    for address, seen in rows.items():
        latitudes = [row[4] for row in seen if row[4] is not None]
        longitudes = [row[5] for row in seen if row[5] is not None]
        if latitudes and longitudes and abs(max(latitudes)) <= 90 and abs(max(longitudes)) <= 180:
            places[address] = (max(latitudes), max(longitudes))
    return places


def behaviours(rows: dict[str, list[tuple[Any, ...]]]) -> Values:
    table = [
        (
            len(seen),
            len({row[2] for row in seen} - {None}),
            len({row[1] for row in seen} - {None}),
            sum(row[3] or 0 for row in seen) / len(seen),
        )
        for seen in rows.values()
    ]
    scaled = StandardScaler().fit_transform(np.array(table, dtype=float))
    return dict(zip(rows, map(tuple, scaled.tolist()), strict=True))


def jaccard(points: list[tuple[Any, ...]], threshold: float) -> list[tuple[int, int, float]]:
    sets = [frozenset(tokens) for (tokens,) in points]
    pairs = ((a, b, sets[a], sets[b]) for a, b in itertools.combinations(range(len(sets)), 2))
    measured = ((a, b, (len(p) + len(q) - 2 * len(p & q)) / len(p | q)) for a, b, p, q in pairs)
    return [pair for pair in measured if pair[2] <= threshold]


def haversine(points: list[tuple[Any, ...]], threshold: float) -> list[tuple[int, int, float]]:
    limit = math.sin(0.5 * (threshold / EARTH_RADIUS_M)) ** 2
    places = [(lat * (math.pi / 180), lon * (math.pi / 180)) for lat, lon in points]
    found = []
    for a, b in itertools.combinations(range(len(places)), 2):
        (lat1, lon1), (lat2, lon2) = places[a], places[b]
        s, t = math.sin(0.5 * (lat1 - lat2)), math.sin(0.5 * (lon1 - lon2))
        reduced = s * s + math.cos(lat1) * math.cos(lat2) * t * t
        if reduced <= limit:
            metres = 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(reduced)))
            found.append((a, b, min(metres, threshold)))
    return found


def euclidean(points: list[tuple[Any, ...]], threshold: float) -> list[tuple[int, int, float]]:
    x = np.array(points)
    squared = np.zeros((len(x), len(x)))
    for k in range(x.shape[1]):
        difference = x[:, None, k] - x[None, :, k]
        squared += difference * difference
    near = np.argwhere(np.triu(squared <= threshold * threshold, 1))
    return [(int(a), int(b), min(math.sqrt(squared[a, b]), threshold)) for a, b in near]


SHAPES = {
    "attackers": (attackers, jaccard),
    "origins": (origins, haversine),
    "behaviours": (behaviours, euclidean),
}


@pytest.mark.parametrize("days", [DAYS[::3], pytest.param(DAYS, marks=pytest.mark.long)], ids=len)
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_real_days(lake: Any, real_data: Path, name: str, days: list[str]) -> None:
    spec = spec_of(name)
    raw = FileRelation((str(real_data / "honeypot_2013.parquet"),))
    schema = check_columns(lake.engine, raw, features.needed_columns(spec), spec.raw.columns)
    values_of, pairs_of = SHAPES[name]
    pairs_found = 0
    for day in days:
        plan = features.plan(spec, parse_day(day), schema)
        relation = lake.fill(plan.features, {"raw": raw}, features_contract(plan.columns))
        if plan.scale is not None and plan.scale.scales is not None:
            relations = {
                "features": relation,
                "scales": lake.fill(plan.scale.scales, {"features": relation}, SCALES),
            }
            relation = lake.fill(plan.scale.scaled, relations, features_contract(plan.columns))
        points = lake.fill(plan.points, {"features": relation}, points_contract(plan.columns))
        members = lake.rows(lake.fill(plan.members, {"features": relation, "points": points}, MEMBERS))
        rows = [tuple(tuple(x) if isinstance(x, list) else x for x in row) for row in lake.rows(points)]

        expected = values_of(rows_of(real_data, day))
        assert [entity for entity, _ in members] == list(expected)
        assert [row[0] for row in rows] == list(range(len(rows)))
        assert list(dict.fromkeys(point for _, point in members)) == list(range(len(rows)))
        for entity, point in members:
            if name == "behaviours":
                assert rows[point][2:] == pytest.approx(expected[entity], rel=1e-9, abs=1e-9)
            else:
                assert rows[point][2:] == expected[entity]
        assert sum(row[1] for row in rows) == len(members)

        pairs = lake.join(spec.distance, plan.columns, {"points": points})
        assert pairs == pairs_of([row[2:] for row in rows], spec.distance.threshold)
        pairs_found += len(pairs)
    assert pairs_found > 5 * len(days)
