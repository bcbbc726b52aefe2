"""Bad days of a run: the others go through all stages, and a re-execution takes only the bad ones."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
import yaml

from cluster_assets.assets.graph import pipeline_assets, pipeline_definitions
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.operations.backfills import BackfillOptions, days_to_run
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline
from cluster_assets.stages.day.publish import publish_day
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob, DayResult
    from cluster_assets.stages.day.stage import Stage

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-07")))
KEYS = [day.key for day in DAYS]
WITHOUT_FILE, BLOCKED, INVALID = KEYS[1], KEYS[3], KEYS[4]
BAD = (WITHOUT_FILE, BLOCKED, INVALID)
GOOD = {day for day in KEYS if day not in BAD}
RANGE = {"dagster/asset_partition_range_start": KEYS[0], "dagster/asset_partition_range_end": KEYS[-1]}
QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ATTRIBUTES: dict[str, Any] = {
    "name": "demo",
    "start_date": KEYS[0],
    "entity": "id",
    "features": {"vector": ["max(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
    # The usual number of entities is 6; the blocked day has 60.
    "checks": {"min_days": 1, "entities": {"on_failure": "block"}},
}


def write_day(lake: Path, day: str, entities: int = 6, value: str = "i % 3") -> None:
    folder = lake / f"day={day}"
    folder.mkdir(parents=True, exist_ok=True)
    query = f"SELECT 'e' || i AS id, ({value})::DOUBLE AS x FROM range({entities}) AS t(i)"
    duckdb.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet)")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Seven days: the second has no file, the fourth fails a blocking check, the fifth has no distances."""
    folder = tmp_path / "lake"
    for day in GOOD:
        write_day(folder, day)
    write_day(folder, BLOCKED, entities=60)
    write_day(folder, INVALID, value="'NaN'")
    return folder


@pytest.fixture
def spec(lake: Path, defs_folder: Path) -> PipelineSpec:
    raw = {"files": f"{lake}/day=*/*.parquet", "partition_column": "day"}
    path = defs_folder / "demo" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw}}))
    return load_pipeline(path)


def demo_daily() -> dg.JobDefinition:
    """The pipeline's job, as a process of a run loads it."""
    spec = load_pipeline(Path(os.environ["CLUSTER_DEFS"]) / "demo" / "defs.yaml")
    return pipeline_definitions(spec, load_settings()).resolve_job_def("demo_daily")


def demo_of_another_test() -> dg.JobDefinition:
    """The same job: Dagster loads the job of each function once, so a second test needs another one."""
    return demo_daily()


def demo_contracts() -> dg.JobDefinition:
    """A job of a check alone."""
    spec = load_pipeline(Path(os.environ["CLUSTER_DEFS"]) / "demo" / "defs.yaml")
    check = dg.AssetCheckKey(dg.AssetKey(["demo", "raw"]), "contract")
    job = dg.define_asset_job(
        "demo_contracts",
        selection=dg.AssetSelection.checks(check),
        executor_def=dg.in_process_executor,
    )
    assets = [pipeline_assets(spec, load_settings())]
    return dg.Definitions(assets=assets, jobs=[job], resources=RESOURCES).resolve_job_def("demo_contracts")


def materialized(instance: dg.DagsterInstance, stage: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(["demo", stage])))


def recorded_by(instance: dg.DagsterInstance, run_id: str) -> dict[str, list[str]]:
    """The days that a run materialized, by stage, in order."""
    found: dict[str, list[str]] = {}
    for stage in STAGE_NAMES:
        records = instance.fetch_materializations(dg.AssetKey(["demo", stage]), limit=1000).records
        found[stage] = [str(one.partition_key) for one in reversed(records) if one.run_id == run_id]
    return found


def failure_of(result: dg.JobExecutionResult) -> dict[str, Any]:
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    assert event.step_failure_data.user_failure_data is not None
    data = event.step_failure_data.user_failure_data
    return {"description": data.description} | {key: one.value for key, one in data.metadata.items()}


def execute_again(
    job: Callable[[], dg.JobDefinition],
    failed: dg.JobExecutionResult,
    instance: dg.DagsterInstance,
    tags: dict[str, str],
) -> dg.JobExecutionResult:
    return dg.execute_job(
        dg.reconstructable(job),
        instance=instance,
        run_config=QUIET,
        # What the webserver sets when a run is re-executed from failure.
        tags=tags | {"dagster/is_resume_retry": "true"},
        reexecution_options=dg.ReexecutionOptions.from_failure(failed.run_id, instance),
    )


def test_bad_days_leave_the_others_and_are_taken_alone_afterwards(
    spec: PipelineSpec, lake: Path, instance: dg.DagsterInstance
) -> None:
    job = dg.reconstructable(demo_daily)
    first = dg.execute_job(job, instance=instance, tags=RANGE, run_config=QUIET)
    assert not first.success
    failure = failure_of(first)
    assert failure["failed_days"] == ",".join(BAD)
    assert failure["finished_days"] == len(GOOD)
    assert f"3 of 7 days failed: {', '.join(BAD)}." in failure["description"]
    recorded = recorded_by(instance, first.run_id)
    assert recorded["raw"] == [day for day in KEYS if day != WITHOUT_FILE]
    for stage in STAGE_NAMES[1:]:
        assert recorded[stage] == sorted(GOOD), stage

    write_day(lake, WITHOUT_FILE)
    write_day(lake, INVALID)
    again = execute_again(demo_daily, first, instance, RANGE)
    assert not again.success
    assert failure_of(again)["failed_days"] == BLOCKED
    recorded = recorded_by(instance, again.run_id)
    assert recorded["raw"] == list(BAD)
    for stage in ("points", "candidates", "clusters"):
        assert recorded[stage] == [WITHOUT_FILE, INVALID], stage
    # Of the good days only the lineage that looks back on a day that was added, and what reads it.
    changed = {WITHOUT_FILE, KEYS[2], INVALID}
    assert changed <= set(recorded["lineage"])
    assert set(recorded["profiles"]) == set(recorded["report"]) == set(recorded["lineage"])
    days = {stage: materialized(instance, stage) for stage in STAGE_NAMES[1:]}
    assert days == dict.fromkeys(STAGE_NAMES[1:], set(KEYS) - {BLOCKED})
    left = days_to_run(spec, DAYS, load_settings(), BackfillOptions())
    assert [day.key for day in left] == [BLOCKED]


def test_a_good_day_that_fails_in_a_re_execution_is_taken_again(
    spec: PipelineSpec, lake: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day before changes its lineage, then its report fails; the report of the first run is outdated."""
    tags = RANGE | {"dagster/asset_partition_range_end": KEYS[2]}
    first = dg.execute_job(
        dg.reconstructable(demo_of_another_test), instance=instance, tags=tags, run_config=QUIET
    )
    assert failure_of(first)["failed_days"] == WITHOUT_FILE
    write_day(lake, WITHOUT_FILE)

    def publish(stage: Stage, job: DayJob) -> DayResult:
        if (stage.name, job.day.key) == ("report", KEYS[2]):
            raise OSError("disk full")
        return publish_day(stage, job)

    with monkeypatch.context() as patched:
        patched.setattr("cluster_assets.assets.days.publish_day", publish)
        second = execute_again(demo_of_another_test, first, instance, tags)
    assert failure_of(second)["failed_days"] == KEYS[2]
    third = execute_again(demo_of_another_test, second, instance, tags)
    assert third.success
    assert recorded_by(instance, third.run_id)["report"] == [KEYS[2]]
    assert days_to_run(spec, DAYS[:3], load_settings(), BackfillOptions()) == ()


def test_a_re_executed_run_of_checks_alone_takes_all_days(
    spec: PipelineSpec, instance: dg.DagsterInstance
) -> None:
    job = dg.reconstructable(demo_contracts)
    first = dg.execute_job(job, instance=instance, tags=RANGE, run_config=QUIET)
    second = execute_again(demo_contracts, first, instance, RANGE)
    for result in (first, second):
        assert failure_of(result)["failed_days"] == WITHOUT_FILE


def test_a_stage_of_a_day_is_recorded_when_it_ends(
    spec: PipelineSpec, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[tuple[str, str], dict[str, set[str]]] = {}

    def publish(stage: Stage, job: DayJob) -> DayResult:
        seen[job.day.key, stage.name] = {name: materialized(instance, name) for name in STAGE_NAMES}
        return publish_day(stage, job)

    monkeypatch.setattr("cluster_assets.assets.days.publish_day", publish)
    tags = RANGE | {"dagster/asset_partition_range_start": KEYS[5]}
    result = dg.materialize(
        [pipeline_assets(spec, load_settings())],
        instance=instance,
        resources=RESOURCES,
        tags=tags,
        run_config=QUIET,
    )
    assert result.success
    first, second = KEYS[5], KEYS[6]
    # The first day has its clusters before the second has points; lineage waits for the clusters of all days.
    for stage, done in {"points": 1, "lineage": 4, "profiles": 5, "report": 6}.items():
        both = [name for name, days in seen[second, stage].items() if days == {first, second}]
        assert both == list(STAGE_NAMES[:done])
    assert seen[second, "points"]["clusters"] == {first}
    assert seen[first, "lineage"]["clusters"] == {first, second}
    assert seen[second, "report"]["report"] == {first}
    lines = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.dagster_event is None]
    for day in (first, second):
        (line,) = (line for line in lines if line.startswith(f"{day} points: "))
        assert re.fullmatch(rf"{day} points: 6 entities, 3 points \(\d+\.\d\d s\)", line)
        assert len([line for line in lines if line.startswith(day)]) == len(STAGE_NAMES)


def test_an_asset_that_reads_the_clusters_runs_after_them(
    spec: PipelineSpec, instance: dg.DagsterInstance
) -> None:
    clusters = dg.AssetKey(["demo", "clusters"])
    ours = pipeline_assets(spec, load_settings())

    @dg.asset(deps=[clusters], partitions_def=ours.partitions_def, backfill_policy=ours.backfill_policy)
    def board() -> None:
        assert materialized(instance, "clusters") == set(KEYS[5:])

    result = dg.materialize(
        [ours, board],
        instance=instance,
        resources=RESOURCES,
        tags=RANGE | {"dagster/asset_partition_range_start": KEYS[5]},
        run_config=QUIET,
    )
    assert result.success
    assert instance.get_materialized_partitions(board.key) == set(KEYS[5:])
    newest = instance.fetch_materializations(clusters, limit=1).records[0].asset_materialization
    assert newest is not None
    assert newest.metadata["entities"].value == 6


def test_a_day_that_is_no_partition_is_refused_and_the_others_run(
    spec: PipelineSpec, instance: dg.DagsterInstance
) -> None:
    """Dagster does not check the days of a run that GraphQL or the launchpad starts."""
    job = dg.reconstructable(demo_daily)
    for day in ("2025-12-31", "2099-01-01", "soon"):
        tags = {"dagster/partition": day}
        with pytest.raises(Exception, match=day):
            dg.execute_job(job, instance=instance, tags=tags, run_config=QUIET, raise_on_error=True)
    assert open_ledger("demo").days("raw") == ()


def test_lineage_leaves_out_days_without_clusters(
    spec: PipelineSpec, lake: Path, instance: dg.DagsterInstance
) -> None:
    """The last day of the range is asked for by hand before it has clusters."""
    ours = pipeline_assets(spec, load_settings())
    describing = [dg.AssetKey(["demo", stage]) for stage in ("lineage", "profiles", "report")]

    @dg.asset(deps=describing, partitions_def=ours.partitions_def, backfill_policy=ours.backfill_policy)
    def board() -> None:
        pass

    def run(first: str, last: str, *keys: dg.AssetKey) -> dg.ExecuteInProcessResult:
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        return dg.materialize(
            [ours, board],
            instance=instance,
            resources=RESOURCES,
            tags=tags,
            run_config=QUIET,
            selection=dg.AssetSelection.assets(*keys),
        )

    before = [dg.AssetKey(["demo", stage]) for stage in STAGE_NAMES[:4]]
    assert run(KEYS[5], KEYS[5], *before).success
    for keys in (describing, [*describing, board.key]):
        result = run(KEYS[5], KEYS[6], *keys)
        assert result.success
        for stage in ("lineage", "profiles", "report"):
            assert materialized(instance, stage) == {KEYS[5]}
        assert instance.get_materialized_partitions(board.key) == set()
    lines = [entry.user_message for entry in instance.all_logs(result.run_id) if entry.dagster_event is None]
    assert f"{KEYS[6]} lineage: left out, it has no clusters" in lines
