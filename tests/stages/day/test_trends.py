"""Comparisons with earlier days: the right check detects each unusual day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.domain.manifests import Manifest
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.day.trends import MOVED, compare_day
from cluster_assets.stages.ledger.trailing import TrailingDays
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pipeline

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.stages.day.job import DayResult

    Make = Callable[..., Pipeline]

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-04")))
ODD = DAYS[-1].next
ROWS = 120


@pytest.fixture(scope="module")
def calm(make_pipeline: Make) -> Pipeline:
    """Four days that are alike; the day after them is written by each test."""
    pipeline = make_pipeline("calm")
    for day in DAYS:
        pipeline.write(day, rows=ROWS)
        pipeline.run(day)
    return pipeline


STAGE = {stage.name: stage for stage in STAGES}


def warnings(results: dict[str, DayResult]) -> dict[str, CheckOutcome]:
    return {one.name: one for result in results.values() for one in result.checks if not one.passed}


def comparisons(results: dict[str, DayResult]) -> dict[str, CheckOutcome]:
    return {
        one.name: one
        for stage, result in results.items()
        for one in result.checks
        if one.name in {trend.name for trend in STAGE[stage].trends}
    }


def test_a_day_like_the_others_passes(calm: Pipeline) -> None:
    calm.write(ODD, rows=ROWS + 5)
    results = calm.run(ODD)
    assert warnings(results) == {}
    found = comparisons(results)
    assert set(found) == {"rows", "entities", "drift", "clusters", "noise_ratio"}
    assert {outcome.days for outcome in found.values()} == {tuple(day.key for day in DAYS)}
    assert found["rows"].numbers["value"] == ROWS + 5
    assert found["rows"].numbers["median"] == ROWS


def test_few_rows_are_noticed(calm: Pipeline) -> None:
    calm.write(ODD, rows=30)
    found = warnings(calm.run(ODD))
    assert {"rows", "entities"} <= set(found)
    assert "30; 59.5 to 241 was expected after 4 days" in found["rows"].description
    assert "checks.rows" in found["rows"].description
    assert found["rows"].state == "warning"


def test_rows_delivered_five_times_are_noticed_by_their_number_alone(calm: Pipeline) -> None:
    calm.write(ODD, rows=ROWS)
    file = f"{calm.lake}/{ODD}.parquet"
    duckdb.execute(f"CREATE OR REPLACE TABLE d AS SELECT d.* FROM '{file}' d, range(5)")
    duckdb.execute(f"COPY d TO '{file}' (FORMAT parquet)")
    assert set(warnings(calm.run(ODD))) == {"rows"}


def test_features_in_another_unit_are_noticed(calm: Pipeline) -> None:
    calm.write(ODD, rows=ROWS, shift=5_000.0)
    found = warnings(calm.run(ODD))
    assert set(found) == {"drift"}
    assert found["drift"].numbers["feature"] == "max(x)"
    assert "checks.drift.max_psi" in found["drift"].description
    (label, today, before), *_ = json.loads(str(found["drift"].numbers[MOVED]))
    assert f"{label} from {before:.1%} to {today:.1%}" in found["drift"].description
    assert abs(today - before) > 0.5


def test_many_clusters_are_noticed(calm: Pipeline) -> None:
    calm.write(ODD, rows=ROWS, clusters=20)
    found = warnings(calm.run(ODD))
    assert "clusters" in found
    assert found["clusters"].numbers["value"] == 20


def test_noise_is_noticed(calm: Pipeline) -> None:
    calm.write(ODD, rows=ROWS, clusters=80)
    assert "noise_ratio" in warnings(calm.run(ODD))


def test_a_day_that_stands_is_compared_anew(calm: Pipeline) -> None:
    first = calm.run(DAYS[1])
    assert first["clusters"].reused
    assert "1 published day lies before it, 3 are needed" in comparisons(first)["clusters"].description
    assert comparisons(calm.run(DAYS[3]))["clusters"].days == tuple(day.key for day in DAYS[:3])


def test_with_too_few_days_comparisons_pass_and_say_so(make_pipeline: Make) -> None:
    pipeline = make_pipeline("few", checks={"min_days": 2})
    sizes = (8, 9, 500)
    for day, rows in zip(DAYS, sizes, strict=False):
        pipeline.write(day, rows=rows)
    for day in DAYS[:2]:
        for outcome in comparisons(pipeline.run(day)).values():
            assert outcome.passed
            assert "2 are needed (checks.min_days)" in outcome.description
    assert {"rows", "entities"} <= set(warnings(pipeline.run(DAYS[2])))


def test_only_the_last_days_are_looked_at(make_pipeline: Make) -> None:
    pipeline = make_pipeline("window", checks={"days": 2, "min_days": 2})
    for day, rows in zip(DAYS, (900, 10, 10, 10), strict=True):
        pipeline.write(day, rows=rows)
        results = pipeline.run(day)
    assert comparisons(results)["rows"].days == (DAYS[1].key, DAYS[2].key)
    assert warnings(results) == {}


def test_a_comparison_can_be_made_to_block(make_pipeline: Make) -> None:
    pipeline = make_pipeline("block", checks={"min_days": 1, "rows": {"on_failure": "block"}})
    pipeline.write(DAYS[0], rows=8)
    pipeline.write(DAYS[1], rows=100)
    pipeline.write(DAYS[2], rows=8)
    pipeline.run(DAYS[0])
    with pytest.raises(CheckFailedError, match=r"rows: 100; 3.5 to 17 was expected after 1 day "):
        pipeline.run(DAYS[1])
    pipeline.run(DAYS[2])
    assert pipeline.ledger.days("raw") == (DAYS[0], DAYS[2])


def test_a_published_day_that_no_longer_passes_goes_no_further(make_pipeline: Make) -> None:
    lenient = make_pipeline("again", checks={"min_days": 1})
    for day, rows in zip(DAYS, (8, 100), strict=False):
        lenient.write(day, rows=rows)
        lenient.run(day)
    strict = make_pipeline("again", checks={"min_days": 1, "rows": {"on_failure": "block"}})
    strict.lake.rmdir()
    lenient.spec = strict.spec.model_copy(update={"raw": lenient.spec.raw})
    with pytest.raises(CheckFailedError, match="published before"):
        lenient.run(DAYS[1])
    assert lenient.ledger.days("clusters") == DAYS[:2]


def test_checks_that_are_skipped_are_not_made(make_pipeline: Make) -> None:
    names = ("rows", "entities", "clusters", "noise_ratio", "drift")
    pipeline = make_pipeline("skipped", checks={name: {"on_failure": "skip"} for name in names})
    pipeline.write(DAYS[0])
    assert comparisons(pipeline.run(DAYS[0])) == {}


def lineage_manifest(day: Day, share: float, previous: int = 5) -> Manifest:
    return Manifest(
        pipeline="calm", stage="lineage", day=day, version=1, attempt="a", input_digest="", inputs={},
        code_version="", created_at="", metrics={"continued_share": share, "previous_clusters": previous},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("today", "previous", "passed"), [(0.8, 5, True), (0.1, 5, False), (1.0, 5, True), (0.0, 0, True)]
)
def test_clusters_that_do_not_live_on_are_noticed(
    calm: Pipeline, monkeypatch: pytest.MonkeyPatch, today: float, previous: int, passed: bool
) -> None:
    before = tuple(lineage_manifest(day, 0.7) for day in DAYS)
    monkeypatch.setattr(TrailingDays, "before", lambda *_: before)
    metrics = {"continued_share": today, "previous_clusters": previous}
    (outcome,) = compare_day(STAGE["lineage"], calm.job(ODD), metrics, None)
    assert outcome.passed is passed


KINDS = {
    "set": ({"set": "'t' || CAST(CAST(floor(x) AS BIGINT) % 7 AS VARCHAR)"}, "jaccard", 0.5),
    "text": ({"text": "max(CAST(CAST(floor(x * x * x) AS BIGINT) AS VARCHAR))"}, "levenshtein", 1),
    "geo": ({"geo": {"latitude": "max(x / 20)", "longitude": "max(x / 10)"}}, "haversine", 1_000),
    "embedding": ({"embedding": "max(e)"}, "cosine", 0.1),
    "scaled": ({"vector": ["max(x)", "count(*)"], "scale": "standard"}, "euclidean", 0.1),
    "mixed": (
        {"mixed": {"height": {"number": "max(x)"}, "colour": {"category": "max('red')"}}}, "gower", 0.01
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_feature_can_drift(kind: str, make_pipeline: Make) -> None:
    features, metric, threshold = KINDS[kind]
    distance = {"metric": metric, "threshold": threshold}
    pipeline = make_pipeline(kind, features=features, distance=distance, checks={"min_days": 2})
    for day, shift in zip(DAYS, (0, 1, 0.5, 300), strict=True):
        rows = ", ".join(
            f"('e{n}', {shift + (n % 60) * (1 if shift < 300 else 7)}::DOUBLE)" for n in range(300)
        )
        columns = f"TIMESTAMP '{day} 12:00' AS event_time, id, x, [x, 1.0::DOUBLE] AS e"
        select = f"SELECT {columns} FROM (VALUES {rows}) t(id, x)"
        duckdb.execute(f"COPY ({select}) TO '{pipeline.lake}/{day}.parquet' (FORMAT parquet)")
        results = {stage.name: run_day(stage, pipeline.job(day)) for stage in STAGES[:2]}
        found = comparisons(results)["drift"]
        assert found.passed is (day != DAYS[3]), (day, found.description)


def test_windows_are_compared_with_complete_ones_that_share_no_day(make_pipeline: Make) -> None:
    pipeline = make_pipeline("windows", window={"days": 2}, checks={"min_days": 2})
    days = [*DAYS, ODD, ODD.next]
    found: list[dict[str, CheckOutcome]] = []
    for day in days:
        pipeline.write(day, rows=20)
        results = {stage.name: run_day(stage, pipeline.job(day)) for stage in STAGES[:2]}
        found.append(comparisons(results))
    keys = [day.key for day in days]
    assert found[-1]["rows"].days == tuple(keys[:5])
    assert found[-1]["entities"].days == found[-1]["drift"].days == (keys[1], keys[3])
    assert found[-1]["entities"].description.startswith("20; ")
    assert found[-2]["entities"].description == (
        "not compared: 1 window without a common day lies before it, 2 are needed (checks.min_days)"
    )
