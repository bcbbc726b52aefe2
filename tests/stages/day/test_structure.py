"""Every blocking check stops the bad day it is for, and only that day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import CheckFailedError, UpstreamMissingError
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.day.findings import AuditedTable
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.points.stage import PointsStage
from cluster_assets.stages.sequence import STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Pipeline

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.day.job import DayJob, StageOutput
    from cluster_assets.stages.ledger.ledger import Attempt

    Make = Callable[..., Pipeline]

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-03")))
GOOD, BAD, LATER = DAYS

# Stage, table, what replaces it, the checks that must fail.
FAULTS = {
    "a point is lost": (
        "points", "points", "FROM t WHERE point_id <> 2", {"ids_dense", "entities_once"}
    ),
    "point ids begin with 1": (
        "points", "points", "SELECT * REPLACE (point_id + 1 AS point_id) FROM t",
        {"ids_dense", "entities_once"}
    ),
    "a point id is taken twice": (
        "points", "points", "SELECT * REPLACE (if(point_id = 3, 2, point_id) AS point_id) FROM t",
        {"ids_dense", "entities_once"},
    ),
    "a point id is null": (
        "points", "points", "SELECT * REPLACE (nullif(point_id, 7) AS point_id) FROM t",
        {"ids_dense", "entities_once"},
    ),
    "a weight is wrong": (
        "points", "points", "SELECT * REPLACE (weight + (point_id = 1)::BIGINT AS weight) FROM t",
        {"entities_once"},
    ),
    "an entity is lost": (
        "points", "members", "FROM t WHERE entity <> 'e3'", {"entities_once"}
    ),
    "an entity is there twice": (
        "points", "members", "FROM t UNION ALL FROM t WHERE entity = 'e3'", {"entities_once"}
    ),
    "an entity has no name": (
        "points", "members", "SELECT * REPLACE (nullif(entity, 'e3') AS entity) FROM t", {"entities_once"}
    ),
    "a column is renamed": (
        "points", "members", "SELECT entity AS person, point_id FROM t", {"contract"}
    ),
    "a column is of another type": (
        "points", "histograms", "SELECT * REPLACE (entities::INTEGER AS entities) FROM t", {"contract"}
    ),
    "a file of the source list is lost": (
        "raw", "files", "SELECT uri, rows::INTEGER AS rows, null_entities FROM t", {"contract"}
    ),
    "a pair is the wrong way round": (
        "candidates", "candidates", "SELECT point_b AS point_a, point_a AS point_b, distance FROM t",
        {"pairs_valid"},
    ),
    "a pair is of no point": (
        "candidates", "candidates", "SELECT point_a, point_b + 100 AS point_b, distance FROM t",
        {"pairs_valid"},
    ),
    "a distance is beyond the threshold": (
        "candidates", "candidates", "SELECT point_a, point_b, 1.5::DOUBLE AS distance FROM t",
        {"pairs_valid"},
    ),
    "a distance is NaN": (
        "candidates", "candidates", "SELECT point_a, point_b, 'NaN'::DOUBLE AS distance FROM t",
        {"pairs_valid"},
    ),
    "a clustered entity is lost": (
        "clusters", "clusters", "FROM t WHERE entity <> 'e3'", {"entities_once"}
    ),
    "a clustered entity is there twice": (
        "clusters", "clusters", "FROM t UNION ALL FROM t WHERE entity = 'e3'", {"entities_once"}
    ),
    "an entity is another one": (
        "clusters", "clusters", "SELECT * REPLACE (replace(entity, 'e3', 'x3') AS entity) FROM t",
        {"entities_once"},
    ),
    "an entity is on another point": (
        "clusters", "clusters", "SELECT * REPLACE (if(entity = 'e3', 5, point_id) AS point_id) FROM t",
        {"entities_once"},
    ),
    "entities change points": (
        "clusters", "clusters", "SELECT * REPLACE ((point_id + 1) % count(*) OVER () AS point_id) FROM t",
        {"entities_once"},
    ),
    "an entity is on no point": (
        "clusters", "clusters", "SELECT * REPLACE (if(entity = 'e3', NULL, point_id) AS point_id) FROM t",
        {"entities_once"},
    ),
    "clusters are numbered from 1": (
        "clusters", "clusters", "SELECT * REPLACE (if(cluster < 0, -1, cluster + 1) AS cluster) FROM t",
        {"labels_dense"},
    ),
    "a cluster has no number": (
        "clusters", "clusters", "SELECT * REPLACE (nullif(cluster, 1) AS cluster) FROM t",
        {"roles_valid"},
    ),
    "a role is unknown": (
        "clusters", "clusters", "SELECT * REPLACE (replace(role, 'core', 'heart') AS role) FROM t",
        {"roles_valid"},
    ),
    "a cluster has no core": (
        "clusters", "clusters", "SELECT * REPLACE (replace(role, 'core', 'border') AS role) FROM t",
        {"roles_valid"},
    ),
    "noise is in a cluster": (
        "clusters", "clusters", "SELECT * REPLACE ('noise' AS role) FROM t",
        {"roles_valid"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pipeline(make_pipeline: Make) -> Pipeline:
    """Three published days."""
    made = make_pipeline("demo")
    for day in DAYS:
        made.write(day)
        made.run(day)
    return made


def pointers(pipeline: Pipeline, stage: str) -> list[str]:
    return [day.key for day in pipeline.ledger.days(stage)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_spoiled_table_is_not_published(fault: str, pipeline: Pipeline) -> None:
    stage, table, query, failing = FAULTS[fault]
    before = pipeline.ledger.require(stage, BAD)
    with pytest.raises(CheckFailedError) as raised:
        run_day(pipeline.spoiled(stage, table, query), pipeline.job(BAD, force=True))
    blocking = {outcome.name for outcome in raised.value.outcomes if outcome.blocks}
    assert blocking == failing, str(raised.value)
    assert all(name in str(raised.value) for name in failing)
    assert f"--day {BAD}" in str(raised.value)
    assert pipeline.ledger.require(stage, BAD) == before


def test_a_bad_day_leaves_the_others(make_pipeline: Make) -> None:
    pipeline = make_pipeline("others")
    for day in DAYS:
        pipeline.write(day)
    pipeline.run(GOOD)
    faulty = pipeline.spoiled("points", "members", "FROM t WHERE entity <> 'e3'")
    with pytest.raises(CheckFailedError):
        pipeline.run(BAD, spoiled=faulty)
    assert pointers(pipeline, "points") == [GOOD.key]
    with pytest.raises(UpstreamMissingError):
        run_day(CandidatesStage(), pipeline.job(BAD))
    pipeline.run(LATER)
    pipeline.run(BAD)  # once the build is mended
    assert pointers(pipeline, "clusters") == [day.key for day in DAYS]


def test_two_points_of_one_entity_group_are_torn(make_pipeline: Make) -> None:
    pipeline = make_pipeline("torn")
    values = "('a', 1.0), ('b', 1.0), ('c', 1.0), ('d', 9.0), ('e', 9.0)"
    select = (
        f"SELECT TIMESTAMP '{GOOD} 12:00' AS event_time, id, x::DOUBLE AS x FROM (VALUES {values}) t(id, x)"
    )
    duckdb.execute(f"COPY ({select}) TO '{pipeline.lake}/day.parquet' (FORMAT parquet)")
    query = "SELECT * REPLACE (CASE entity WHEN 'b' THEN 1 ELSE cluster END AS cluster) FROM t"
    with pytest.raises(CheckFailedError, match="1 point has entities in several clusters"):
        pipeline.run(GOOD, spoiled=pipeline.spoiled("clusters", "clusters", query))


def test_rows_that_were_written_are_counted(pipeline: Pipeline) -> None:
    query = "FROM t UNION ALL FROM t WHERE point_a = 1"
    spoiled = pipeline.spoiled("candidates", "candidates", query, honest=False)
    with pytest.raises(CheckFailedError, match=r"contract: candidates has \d+ rows, \d+ were written"):
        run_day(spoiled, pipeline.job(BAD, force=True))


@dataclass(frozen=True)
class NarrowedWork:
    """Makes the points of fewer rows than it says it does."""

    work: Any
    narrower: Any

    @property
    def inputs(self) -> Mapping[str, str]:
        return self.work.inputs  # type: ignore[no-any-return]

    def find_faults(self, tables: Any, metrics: Any) -> Any:
        return self.work.find_faults(tables, metrics)

    def compute(self, attempt: Attempt) -> StageOutput:
        return self.narrower.compute(attempt)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class NarrowedPoints(PointsStage):
    """A stage `points` that leaves rows out."""

    where: str

    def prepare(self, job: DayJob) -> Any:
        raw = job.spec.raw.model_copy(update={"where": self.where})
        narrower = replace(job, spec=job.spec.model_copy(update={"raw": raw}))
        return NarrowedWork(PointsStage().prepare(job), PointsStage().prepare(narrower))


def test_an_entity_lost_on_the_whole_way_is_missed_in_the_source(pipeline: Pipeline) -> None:
    before = pipeline.ledger.require("points", BAD)
    with pytest.raises(CheckFailedError, match="8 entities, 7 are in members and 0 were left out") as raised:
        run_day(NarrowedPoints("id <> 'e7'"), pipeline.job(BAD, force=True))
    assert [outcome.name for outcome in raised.value.outcomes if outcome.blocks] == ["source_rows"]
    assert pipeline.ledger.require("points", BAD) == before


def test_rows_that_raw_counted_otherwise_are_noticed(pipeline: Pipeline) -> None:
    work = PointsStage().prepare(pipeline.job(BAD))
    (raw,) = work.window.raws
    recorded = replace(work.window, raws=(replace(raw, metrics={**raw.metrics, "rows": 9}),))
    points = pipeline.ledger.require("points", BAD)
    found = replace(work, window=recorded).find_faults(tables_of(pipeline, points), points.metrics)
    faults = {finding.name: finding.fault for finding in found}
    assert faults["source_rows"] == "the source has 8 rows now, raw counted 9"


def checks_of(stage: str) -> list[str]:
    return [check.name for check in STAGES[STAGE_NAMES.index(stage)].all_checks]


def tables_of(pipeline: Pipeline, manifest: Manifest) -> dict[str, AuditedTable]:
    return {
        name: AuditedTable(table.columns, pipeline.ledger.uris(manifest, name), table.rows)
        for name, table in manifest.tables.items()
    }


def test_reused_days_tell_what_was_found_when_they_were_published(pipeline: Pipeline) -> None:
    first, again = (pipeline.run(LATER) for _ in range(2))
    for stage in first:
        names = checks_of(stage)
        assert again[stage].reused
        found = {outcome.name: outcome for outcome in again[stage].checks}
        assert {outcome.name for outcome in first[stage].checks} == set(found)
        assert [found[name].passed for name in names] == [True] * len(names)


def test_days_published_before_there_were_checks_are_checked_where_they_lie(
    make_pipeline: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make_pipeline("before")
    pipeline.write(BAD)
    query = "SELECT * REPLACE (replace(role, 'core', 'border') AS role) FROM t"
    monkeypatch.setattr("cluster_assets.stages.day.run.check_metrics", lambda _: {})
    monkeypatch.setattr("cluster_assets.stages.day.run.check_draft", lambda *_: ())
    pipeline.run(BAD, spoiled=pipeline.spoiled("clusters", "clusters", query))
    monkeypatch.undo()
    with pytest.raises(CheckFailedError, match=r"clusters? ha(s|ve) no core"):
        pipeline.run(BAD)


def test_an_empty_day_passes(make_pipeline: Make) -> None:
    pipeline = make_pipeline("empty", raw={"time_column": "event_time", "where": "x < 0"})
    pipeline.write(GOOD)
    results = pipeline.run(GOOD)
    assert results["clusters"].manifest.metrics["entities"] == 0
    for stage, result in results.items():
        assert set(checks_of(stage)) <= {outcome.name for outcome in result.checks}
        assert all(outcome.passed for outcome in result.checks)


def test_checks_can_be_skipped_or_made_to_warn(make_pipeline: Make) -> None:
    query = "SELECT * REPLACE (replace(role, 'core', 'border') AS role) FROM t"
    for on_failure, found in (("skip", []), ("warn", ["warning"])):
        pipeline = make_pipeline(on_failure, checks={"structure": {"on_failure": on_failure}})
        pipeline.write(GOOD)
        results = pipeline.run(GOOD, spoiled=pipeline.spoiled("clusters", "clusters", query))
        states = [one.state for one in results["clusters"].checks if not one.passed]
        assert states == found
        assert results["clusters"].manifest.metrics["check_warnings"] == len(found)
