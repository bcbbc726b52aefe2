"""The part `window` of the YAML, and the days that it selects."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from cluster_assets.domain.days import consecutive, days_before, parse_day
from cluster_assets.spec.pipeline import PipelineSpec


def spec(**changes: Any) -> PipelineSpec:
    attributes = {
        "name": "visits",
        "start_date": "2026-01-01",
        "raw": {"files": "lake/*.parquet", "time_column": "at"},
        "entity": "id",
        "features": {"vector": ["sum(x)"]},
        "distance": {"metric": "euclidean", "threshold": 1},
        "algorithm": {"type": "dbscan", "min_samples": 2},
    }
    return PipelineSpec.model_validate(attributes | changes)


def keys(made: PipelineSpec, day: str) -> list[str]:
    return [one.key for one in made.window_of(parse_day(day))]


def test_a_window_ends_with_its_day() -> None:
    made = spec(window={"days": 3})
    assert keys(made, "2026-03-01") == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert keys(spec(), "2026-03-01") == ["2026-03-01"]


def test_a_window_begins_with_the_first_partition() -> None:
    made = spec(window={"days": 3})
    assert keys(made, "2026-01-02") == ["2026-01-01", "2026-01-02"]
    assert keys(made, "2026-01-01") == ["2026-01-01"]
    assert keys(spec(start_date="0001-01-01", window={"days": 3}), "0001-01-01") == ["0001-01-01"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": {"days": 1}}, "greater than or equal to 2"),
        ({"window": {"days": 91}}, "less than or equal to 90"),
        ({"window": {"days": 3, "min_days": 4}}, "min_days 4 is more than days 3"),
        (
            {"raw": {"files": "a.parquet", "fixed_day": "2026-01-01"}, "window": {"days": 3}},
            "raw.fixed_day 2026-01-01 is the only day; remove window",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_gaps_end_a_run_of_days() -> None:
    days = [days_before(parse_day("2026-01-10"), back) for back in (9, 8, 7, 3, 1, 0)]
    found = [(first.key, last.key) for first, last in consecutive(days)]
    assert found == [
        ("2026-01-01", "2026-01-03"),
        ("2026-01-07", "2026-01-07"),
        ("2026-01-09", "2026-01-10"),
    ]
    assert list(consecutive([])) == []
