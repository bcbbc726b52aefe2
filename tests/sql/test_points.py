"""Points and members: one point for each distinct value, numbered in the order of first entities."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.backends.statements import bind
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import LABELS, features_contract
from cluster_assets.domain.tables import CLUSTERS, MEMBERS, points_contract
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features

DAY = parse_day("2026-03-01")
KINDS: dict[str, tuple[dict[str, Any], str, float]] = {
    "set": ({"set": "v"}, "jaccard", 0.5),
    "vector": ({"vector": ["max(v)", "min(v)"]}, "euclidean", 1.0),
    "geo": ({"geo": {"latitude": "max(v)", "longitude": "min(v)"}}, "haversine", 1.0),
}


def plan(kind: str) -> features.FeaturePlan:
    made, metric, threshold = KINDS[kind]
    spec = PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": DAY.key,
            "raw": {"files": "x.parquet", "time_column": "at"},
            "entity": "who",
            "features": made,
            "distance": {"metric": metric, "threshold": threshold},
            "algorithm": {"type": "dbscan"},
        }
    )
    return features.plan(spec, DAY, {"at": "timestamp", "who": "varchar", "v": "varchar"})


def expected(entities: dict[str, Any]) -> tuple[list[tuple[Any, ...]], list[tuple[str, int]]]:
    """Python's own order of texts is by code point."""
    first: dict[Any, int] = {}
    weights: dict[Any, int] = {}
    members = []
    for entity in sorted(entities):
        value = entities[entity]
        first.setdefault(value, len(first))
        weights[value] = weights.get(value, 0) + 1
        members.append((entity, first[value]))
    return [(number, weights[value], *value) for value, number in first.items()], members


def number(
    lake: Any, kind: str, entities: dict[str, Any], invalid: Any = None
) -> tuple[list[Any], list[Any]]:
    made = plan(kind)
    contract = features_contract(made.columns)
    rows = [
        (entity, *map(list, value)) if kind == "set" else (entity, *value)
        for entity, value in entities.items()
    ]
    if invalid is not None:
        rows.append(("\U0010ffff invalid", *invalid))
    table = lake.write(contract.columns, rows)
    points = lake.fill(made.points, {"features": table}, points_contract(made.columns))
    members = lake.fill(made.members, {"features": table, "points": points}, MEMBERS)
    return [
        tuple(tuple(x) if isinstance(x, list) else x for x in row) for row in lake.rows(points)
    ], lake.rows(members)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ENTITIES = st.one_of(
    TEXT, st.tuples(st.sampled_from(["user-", "10.0.0.", "é" * 3, "x" * 300]), TEXT).map("".join)
)
SMALL = st.sampled_from([0.0, 1.0, -1.5, 1e-3])
VALUES = {
    "set": st.tuples(
        st.lists(st.sampled_from("abc"), min_size=1, max_size=3, unique=True).map(lambda x: tuple(sorted(x)))
    ),
    "vector": st.tuples(SMALL, SMALL),
    "geo": st.tuples(SMALL, SMALL),
}
INVALID = {"set": (None,), "vector": (float("nan"), 1.0), "geo": (91.0, 0.0)}


@pytest.mark.parametrize("examples", [12, pytest.param(40, marks=pytest.mark.long)])
def test_points_and_members(lake: Any, examples: int) -> None:
    @settings(max_examples=examples)
    @given(st.data(), st.sampled_from(sorted(KINDS)))
    def holds(data: st.DataObject, kind: str) -> None:
        entities = data.draw(st.dictionaries(ENTITIES, VALUES[kind], max_size=25))
        points, members = number(lake, kind, entities, INVALID[kind])
        assert (points, members) == expected(entities)

    holds()


def test_many_entities_over_many_ranges(lake: Any) -> None:
    entities = {f"{n * 7919 % 100_003:06x}-{n}": (float(n % 977), float(n % 13)) for n in range(6000)}
    assert number(lake, "vector", entities) == expected(entities)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_days_of_none_one_and_all_alike(lake: Any, count: int) -> None:
    entities = {str(n): (1.0, 2.0) for n in range(count)}
    points, members = number(lake, "vector", entities)
    assert points == ([(0, count, 1.0, 2.0)] if count else [])
    assert members == [(str(n), 0) for n in range(count)]


def test_clusters_join_members_with_labels(lake: Any) -> None:
    members = lake.write(MEMBERS.columns, [("b", 0), ("a", 0), ("c", 1)])
    labels = lake.write(LABELS.columns, [(0, 4, "core"), (1, -1, "noise")])
    made = lake.fill(
        bind("clusters/clusters.sql", structure={"has_probability": False}),
        {"members": members, "labels": labels},
        CLUSTERS,
    )
    assert lake.rows(made) == [("a", 0, 4, "core"), ("b", 0, 4, "core"), ("c", 1, -1, "noise")]
