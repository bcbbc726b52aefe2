"""Range runs: each day's own metadata, and what remains of a run that failed halfway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.operations.instances import prepare_home
from cluster_assets.operations.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import PipelineSpec

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
"""
DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-03")))


@pytest.fixture(autouse=True)
def no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare_home` sets it for the process; a test must not leave its own behind."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


@pytest.fixture
def spec(tmp_path: Path, home: Path) -> PipelineSpec:
    lake = tmp_path / "lake"
    lake.mkdir()
    for number, day in enumerate(DAYS, start=1):
        rows = ", ".join(f"('e{n}', {n * 0.5 + 100.0 * (n > 2)})" for n in range(number + 3))
        write_day(lake, day.key, rows)
    path = tmp_path / "demo" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(YAML.format(lake=lake))
    return load_pipeline(path)


def write_day(lake: Path, day: str, rows: str) -> None:
    values = f"(VALUES {rows}) AS t(id, x)"
    select = f"SELECT TIMESTAMP '{day} 12:00:00' AS event_time, id, x::DOUBLE AS x FROM {values}"
    duckdb.execute(f"COPY ({select}) TO '{lake}/{day}.parquet' (FORMAT parquet)")


def materializations(stage: str) -> dict[str, dict[str, object]]:
    """Newest metadata by day, as the UI shows it."""
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(dg.AssetKey(["demo", stage]), limit=1000).records
    found: dict[str, dict[str, object]] = {}
    for record in reversed(records):
        materialization = record.asset_materialization
        assert materialization is not None
        found[str(materialization.partition)] = {k: v.value for k, v in materialization.metadata.items()}
    return found


def test_each_day_records_its_own_numbers(spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_NOTIFY_BASE_URL", "http://dagster.example/")
    settings = load_settings()
    days = DAYS[:2]
    materialize_days(spec, days, settings, force=False)
    prepare_home(settings)
    clusters = materializations("clusters")
    assert sorted(clusters) == [day.key for day in days]
    assert [clusters[day.key]["entities"] for day in days] == [4, 5]
    assert [clusters[day.key]["dagster/partition_row_count"] for day in days] == [4, 5]
    for name in ("clusters", "noise_ratio", "seconds", "bytes"):
        assert all(isinstance(clusters[day.key][name], int | float) for day in days)
    assert all(materializations("points")[day.key]["points"] > 0 for day in days)  # type: ignore[operator]
    assert all(materializations("candidates")[day.key]["pairs"] > 0 for day in days)  # type: ignore[operator]
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs()
    for metadata in materializations("report").values():
        assert f'href="http://dagster.example/runs/{run.run_id}"' in Path(str(metadata["report"])).read_text()


def test_days_beside_a_failure_are_materialized(spec: PipelineSpec, tmp_path: Path) -> None:
    settings = load_settings()
    write_day(tmp_path / "lake", DAYS[1].key, "('e1', 'NaN'::DOUBLE)")
    with pytest.raises(InvalidFeaturesError, match="on_invalid: exclude"):
        materialize_days(spec, DAYS, settings, force=False)
    prepare_home(settings)
    good = [day.key for day in DAYS if day != DAYS[1]]
    assert sorted(materializations("raw")) == [day.key for day in DAYS]
    # The good days were brought to their end, past the stage that failed on the bad one.
    assert sorted(materializations("points")) == sorted(materializations("clusters")) == good
    write_day(tmp_path / "lake", DAYS[1].key, "('e1', 1.0)")
    materialize_days(spec, DAYS, settings, force=False)
    assert sorted(materializations("clusters")) == [day.key for day in DAYS]
    assert materializations("points")[DAYS[0].key]["reused"] is True


def test_force_computes_again(spec: PipelineSpec) -> None:
    settings = load_settings()
    for force in (False, True):
        materialize_days(spec, DAYS[:1], settings, force=force)
    prepare_home(settings)
    assert materializations("clusters")[DAYS[0].key]["reused"] is False
    assert materializations("clusters")[DAYS[0].key]["manifest_version"] == 2
