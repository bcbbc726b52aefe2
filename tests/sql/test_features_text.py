"""From raw rows to texts, and how the distance of texts is counted on every engine."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.scratch_tables import features_contract
from cluster_assets.domain.tables import Column, points_contract
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.points.kinds.text import LONGEST

DAY = parse_day("2026-03-01")
RAW = (Column("at", "timestamp"), Column("who", "varchar"), Column("agent", "varchar"))
AT = "2026-03-01 01:00:00"


def spec(kind: dict[str, Any], threshold: float = 2) -> PipelineSpec:
    metric = "levenshtein" if "text" in kind else "euclidean"
    return PipelineSpec.model_validate(
        {
            "name": "p",
            "start_date": DAY.key,
            "raw": {"files": "x.parquet", "time_column": "at"},
            "entity": "who",
            "features": kind,
            "distance": {"metric": metric, "threshold": threshold},
            "algorithm": {"type": "dbscan"},
        }
    )


def compute(lake: Any, made: PipelineSpec, rows: list[tuple[Any, ...]]) -> tuple[Any, Any, dict[str, int]]:
    """The plan, features by entity, and what is invalid."""
    plan = features.plan(made, DAY, {column.name: column.type for column in RAW})
    filled = lake.fill(plan.features, {"raw": lake.write(RAW, rows)}, features_contract(plan.columns))
    return plan, filled, plan.invalid(lake.engine.fetch(plan.summary, {"features": filled}).rows[0])


def test_an_entity_has_one_text(lake: Any) -> None:
    rows = [(AT, "a", "x"), (AT, "a", "y"), (AT, "b", ""), (AT, "c", None), (AT, None, "z")]
    _, filled, invalid = compute(lake, spec({"text": "max(agent)"}), rows)
    assert lake.rows(filled) == [("a", "y"), ("b", ""), ("c", None)]
    assert invalid == {"null": 1}


def test_texts_are_as_long_as_their_code_points(lake: Any) -> None:
    rows = [(AT, "a", "é" * LONGEST), (AT, "b", "x" * (LONGEST + 1)), (AT, "c", "\U0001f600" * (LONGEST + 1))]
    plan, filled, invalid = compute(lake, spec({"text": "max(agent)"}), rows)
    assert invalid == {"longer than 1,000 characters": 2}
    points = lake.fill(plan.points, {"features": filled}, points_contract(plan.columns))
    assert lake.rows(points) == [(0, 1, "é" * LONGEST)]


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("kitten", 3), ("", 7), ("sitting", 0), ("sïtting", 1), ("si\u0308tting", 1),
        ("\U0001f600itting", 1), ("日本語", 7), ("s" + "".join(map(chr, range(0x4E00, 0x4F00))), 256),
    ],
)  # fmt: skip
def test_expressions_count_the_edits_of_code_points(lake: Any, text: str, edits: int) -> None:
    made = spec({"vector": ["max(levenshtein_distance(agent, 'sitting'))"]})
    _, filled, invalid = compute(lake, made, [(AT, "a", text)])
    assert lake.rows(filled) == [("a", float(edits))]
    assert invalid == {}


@pytest.mark.parametrize("threshold", [0.5, 1.5, 1001])
def test_a_threshold_is_a_whole_number_of_edits(threshold: float) -> None:
    with pytest.raises(ValidationError, match="counts edits"):
        spec({"text": "max(agent)"}, threshold)


def test_a_text_is_an_aggregate() -> None:
    with pytest.raises(ValidationError, match="agent is not an aggregate"):
        spec({"text": "agent"})
    assert features.needed_columns(spec({"text": "max(agent)"})) == ("who", "agent", "at")
