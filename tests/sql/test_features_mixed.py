"""From raw rows to several features of one entity."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import features_contract
from cluster_assets.domain.tables import CANDIDATES, MEMBERS, Column, points_contract
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.candidates import metrics
from cluster_assets.stages.points import kinds as features

DAY = parse_day("2026-03-01")
RAW = (
    Column("at", "timestamp"), Column("who", "varchar"), Column("n", "double"), Column("word", "varchar")
)  # fmt: skip
AT = "2026-03-01 01:00:00"
ALL = {
    "order": {"number": "max(n)"},
    "table": {"category": "min(word)"},
    "user": {"set": "word"},
    "group": {"text": "max(word)", "weight": 2},
    "home": {"geo": {"latitude": "avg(n)", "longitude": "max(n)"}},
}
ON_THE_EQUATOR = {"latitude": "max(n) * 0", "longitude": "max(n)"}


def spec(mixed: dict[str, Any]) -> PipelineSpec:
    return PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": DAY.key,
            "raw": {"files": "x.parquet", "time_column": "at"},
            "entity": "who",
            "features": {"mixed": mixed},
            "distance": {"metric": "gower", "threshold": 0.5},
            "algorithm": {"type": "dbscan"},
        }
    )


def compute(lake: Any, made: PipelineSpec, rows: list[tuple[Any, ...]]) -> tuple[Any, Any, dict[str, int]]:
    """The plan, features by entity, and what is invalid."""
    plan = features.plan(made, DAY, {column.name: column.type for column in RAW})
    filled = lake.fill(plan.features, {"raw": lake.write(RAW, rows)}, features_contract(plan.columns))
    return plan, filled, plan.invalid(lake.engine.fetch(plan.summary, {"features": filled}).rows[0])


def test_each_feature_has_its_columns(lake: Any) -> None:
    made = spec(ALL)
    assert [(column.name, column.type) for column in features.columns_of(made.features)] == [
        ("order", "double"), ("table", "varchar"), ("user", "array(varchar)"), ("group", "varchar"),
        ("home_latitude", "double"), ("home_longitude", "double"),
    ]  # fmt: skip
    assert features.needed_columns(made) == ("who", "n", "word", "at")
    rows = [(AT, "a", 1.0, "z"), (AT, "a", 2.0, "b"), (AT, "a", -0.0, None), (AT, "b", -0.0, "é")]
    _, filled, invalid = compute(lake, made, rows)
    found = lake.rows(filled)
    assert found == [("a", 2.0, "b", ["b", "z"], "z", 1.0, 2.0), ("b", 0.0, "é", ["é"], "é", 0.0, 0.0)]
    assert math.copysign(1, found[1][1]) == 1.0
    assert invalid == {}


def test_from_rows_to_pairs_under_names_that_sql_reserves(lake: Any) -> None:
    made = spec(ALL)
    rows = [(AT, "a", 1.0, "x"), (AT, "b", 1.0, "x"), (AT, "c", 2.0, "y"), (AT, "d", None, "y")]
    plan, filled, _ = compute(lake, made, rows)
    known = {"features": filled}
    known["points"] = lake.fill(plan.points, known, points_contract(plan.columns))
    assert [row[:2] for row in lake.rows(known["points"])] == [(0, 2), (1, 1)]
    members = lake.rows(lake.fill(plan.members, known, MEMBERS))
    assert sorted(members) == [("a", 0), ("b", 0), ("c", 1)]
    joined = metrics.plan(features.comparison_of(made.model_copy(update={
        "distance": made.distance.model_copy(update={"threshold": 1.0})
    })))  # fmt: skip
    for step in joined.scratch:
        known[step.table.name] = lake.fill(step.statement, known, step.table)
    ((a, b, distance),) = lake.rows(lake.fill(joined.candidates, known, CANDIDATES))
    assert (a, b) == (0, 1)
    # Number, category, set and text (twice) differ wholly, the place by about 1.414 degrees.
    assert distance == pytest.approx((5 + math.radians(math.sqrt(2)) / math.pi) / 6, abs=1e-5)


@pytest.mark.parametrize(
    ("feature", "n", "word", "words"),
    [
        ({"number": "max(n)"}, None, "", "f: null"),
        ({"number": "max(n)"}, math.nan, "", "f: NaN"),
        ({"number": "max(n)"}, -math.inf, "", "f: infinite"),
        ({"number": "max(n)"}, -1.1e150, "", "f: beyond 1e+150"),
        ({"category": "max(word)"}, 0.0, None, "f: null"),
        ({"text": "max(word)"}, 0.0, None, "f: null"),
        ({"text": "max(word)"}, 0.0, "é" * 1001, "f: longer than 1,000 characters"),
        ({"set": "word"}, 0.0, None, "f: an empty set (all values are null)"),
        ({"geo": {"latitude": "max(n)", "longitude": "max(n) * 0"}}, 90.5, "", "f: latitude outside -90..90"),
        ({"geo": ON_THE_EQUATOR}, 180.5, "", "f: longitude outside -180..180"),
        ({"geo": ON_THE_EQUATOR}, math.nan, "", "f: NaN"),
    ],
)  # fmt: skip
def test_an_entity_is_invalid_where_one_feature_is(
    lake: Any, feature: dict[str, Any], n: float | None, word: str | None, words: str
) -> None:
    made = spec({"ok": {"number": "count(*)"}, "f": feature})
    plan, filled, invalid = compute(lake, made, [(AT, "a", n, word), (AT, "b", 1.0, "fine")])
    assert invalid == {words: 1}
    points = lake.rows(lake.fill(plan.points, {"features": filled}, points_contract(plan.columns)))
    assert len(points) == 1


def test_features_that_give_one_column_twice_are_refused() -> None:
    home = {"geo": {"latitude": "max(n)", "longitude": "max(n)"}}
    with pytest.raises(ValidationError, match="home_latitude is a column of the place home"):
        spec({"home": home, "home_latitude": {"number": "max(n)"}})
    with pytest.raises(ValidationError, match="choose another name"):
        spec({"weight": {"number": "max(n)"}})
