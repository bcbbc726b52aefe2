"""Checks as Dagster records them: a result for each check and day, also in runs over several days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.operations.instances import prepare_home
from cluster_assets.operations.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster_assets.spec.pipeline import PipelineSpec

pytestmark = pytest.mark.long

YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: demo
  start_date: 2026-01-01
  raw: {{files: "{lake}/*.parquet", time_column: event_time}}
  entity: id
  features: {{vector: [max(x)]}}
  distance: {{metric: euclidean, threshold: 1}}
  algorithm: {{type: dbscan, min_samples: 2}}
  checks: {checks}
"""
DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-04")))
SIZES = (10, 12, 400, 11)  # the third is unusual
BLOCK_ROWS = "{min_days: 1, rows: {on_failure: block}}"
WARN_ROWS = "{min_days: 1}"


@pytest.fixture(autouse=True)
def no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare_home` sets it for the process; a test must not leave its own behind."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


@pytest.fixture
def load(tmp_path: Path, home: Path) -> Callable[[str], PipelineSpec]:
    lake = tmp_path / "lake"
    lake.mkdir()
    for day, size in zip(DAYS, SIZES, strict=True):
        rows = ", ".join(f"('e{n}', {n % 7 * 0.5 + 100.0 * (n % 2)}::DOUBLE)" for n in range(size))
        select = f"SELECT TIMESTAMP '{day} 12:00' AS event_time, id, x FROM (VALUES {rows}) AS t(id, x)"
        duckdb.execute(f"COPY ({select}) TO '{lake}/{day}.parquet' (FORMAT parquet)")

    def make(checks: str) -> PipelineSpec:
        path = tmp_path / "pipelines" / "demo" / "defs.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(YAML.format(lake=lake, checks=checks))
        return load_pipeline(path)

    return make


def results(stage: str, name: str) -> dict[str, bool]:
    """Newest result by day, as the Checks tab shows it."""
    key = dg.AssetCheckKey(dg.AssetKey(["demo", stage]), name)
    with dg.DagsterInstance.get() as instance:
        infos = instance.event_log_storage.get_asset_check_partition_info([key])
    assert all(info.is_current for info in infos)
    return {str(info.partition_key): info.latest_execution_status.value == "SUCCEEDED" for info in infos}


def materialized(stage: str) -> set[str]:
    with dg.DagsterInstance.get() as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey(["demo", stage])))


def test_each_day_of_a_run_has_results_of_its_own(load: Callable[[str], PipelineSpec]) -> None:
    materialize_days(load(WARN_ROWS), DAYS, load_settings(), force=False)
    prepare_home(load_settings())
    for stage in STAGES[:4]:
        for check in stage.all_checks:
            assert results(stage.name, check.name) == {day.key: True for day in DAYS}, (stage.name, check)
        for trend in stage.trends:
            assert set(results(stage.name, trend.name)) == {day.key for day in DAYS}
    assert results("raw", "rows") == {day.key: day != DAYS[2] for day in DAYS}
    with dg.DagsterInstance.get() as instance:
        key = dg.AssetCheckKey(dg.AssetKey(["demo", "raw"]), "rows")
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            key, limit=1, partition_filter=None
        )
    assert record.event is not None
    evaluation = record.event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    assert evaluation.partition == DAYS[3].key
    assert evaluation.metadata["value"].value == SIZES[3]
    assert evaluation.metadata["days"].value == "3, 2026-01-01 to 2026-01-03"
    assert "was expected after 3 days" in str(evaluation.description)


def test_a_bad_day_of_a_run_leaves_the_others(load: Callable[[str], PipelineSpec]) -> None:
    with pytest.raises(CheckFailedError, match=r"rows: 400; .* was expected after 2 days"):
        materialize_days(load(BLOCK_ROWS), DAYS, load_settings(), force=False)
    prepare_home(load_settings())
    good = {day.key for day in DAYS} - {DAYS[2].key}
    for stage in ("raw", "points", "candidates", "clusters"):
        assert materialized(stage) == good
    assert results("raw", "rows") == {day.key: day != DAYS[2] for day in DAYS}
    assert set(results("clusters", "labels_dense")) >= good


def test_the_command_tells_and_fails(
    load: Callable[[str], PipelineSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    cluster_assets: Callable[..., object],
) -> None:  # fmt: skip
    monkeypatch.setenv("CLUSTER_DEFS", str(tmp_path / "pipelines"))
    load(BLOCK_ROWS)
    days = ("--day", DAYS[0].key, "--to", DAYS[2].key)
    done = cluster_assets("run", "demo", *days, fails=True)
    said = " ".join(done.stderr.split())  # type: ignore[attr-defined]
    assert f"failed: demo/raw {DAYS[2]} rows: 400" in said
    assert "readers keep what was published before" in said
    load(WARN_ROWS)
    done = cluster_assets("run", "demo", *days)
    assert f"warning: demo/raw {DAYS[2]} rows: 400" in " ".join(done.stderr.split())  # type: ignore[attr-defined]
    shown = cluster_assets("show", "demo").stdout  # type: ignore[attr-defined]
    assert f"{DAYS[2]}  warning  raw.rows: 400" in shown
    assert "passed" not in shown
    shown = cluster_assets("show", "demo", "--day", DAYS[0].key).stdout  # type: ignore[attr-defined]
    assert "passed   clusters.labels_dense: no problems found" in shown
