"""Windows in Dagster and by the commands: which days follow a changed one, and who publishes `raw`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
import yaml
from click.testing import CliRunner

# The UI asks this class; Dagster has no public way to ask.
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.cli import commands
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.backfills import BackfillOptions, days_to_run
from cluster_assets.operations.runs import materialize_range
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.outdated import WINDOW_CHANGED

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-04")))
CHANGED, LENGTH = DAYS[1], 2
FOLLOWING = list(DAYS[1:3])
STAGES = ["raw", "points", "candidates", "clusters"]
ATTRIBUTES: dict[str, Any] = {
    "name": "visits",
    "start_date": DAYS[0].key,
    "entity": "id",
    "window": {"days": LENGTH},
    "features": {"vector": ["sum(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    for day in DAYS:
        write_day(tmp_path / "lake", day, "i % 3")
    return tmp_path / "lake"


@pytest.fixture
def spec(lake: Path, defs_folder: Path) -> PipelineSpec:
    raw = {"files": f"{lake}/day=*/*.parquet", "partition_column": "day"}
    path = defs_folder / "visits" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw}}))
    return load_pipeline(path)


def write_day(lake: Path, day: Day, value: str) -> None:
    (lake / day.prefix).mkdir(parents=True, exist_ok=True)
    query = f"SELECT 'e' || i AS id, ({value})::DOUBLE AS x FROM range(6) AS t(i)"
    duckdb.execute(f"COPY ({query}) TO '{lake}/{day.prefix}/rows.parquet' (FORMAT parquet)")


def versions(stage: str) -> dict[Day, int]:
    """How often each published day was computed."""
    ledger = Ledger(*open_storage(load_settings()), "visits")
    return {day: len(list(ledger.history(stage, day))) for day in ledger.days(stage)}


def stale_in_dagster(spec: PipelineSpec, stage: str, instance: dg.DagsterInstance) -> list[Day]:
    assets = pipeline_assets(spec, load_settings())
    graph = dg.Definitions([assets], resources=RESOURCES).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    key = dg.AssetKey(["visits", stage])
    return [day for day in DAYS if resolver.get_status(key, day.key).value == "STALE"]


def shown_stale() -> dict[str, list[str]]:
    arguments = ["show", "visits", "--day", DAYS[0].key, "--to", DAYS[-1].key, "--format", "json"]
    shown = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    return {day["day"]: day["stale"] for day in json.loads(shown.output) if day["stale"]}


def test_exactly_the_windows_over_a_changed_day_follow(
    spec: PipelineSpec, lake: Path, instance: dg.DagsterInstance
) -> None:
    settings = load_settings()
    assert materialize_range(spec, DAYS, settings) == {}
    assert stale_in_dagster(spec, "points", instance) == []
    assert shown_stale() == {}

    ledger = Ledger(*open_storage(settings), "visits")
    assert ledger.require("lineage", CHANGED).metrics["window_days_shared"] == 1
    page = ledger.read_document(ledger.require("report", CHANGED), "report.html").decode()
    assert "days with rows: 2 of 2" in page

    write_day(lake, CHANGED, "i")  # with as many rows
    assert materialize_range(spec, [CHANGED], settings, stages=["raw"]) == {}
    assert stale_in_dagster(spec, "points", instance) == FOLLOWING
    assert shown_stale() == {day.key: [WINDOW_CHANGED] for day in FOLLOWING[1:]}

    stale = days_to_run(spec, DAYS, settings, BackfillOptions(only="stale"))
    assert list(stale) == FOLLOWING
    assert materialize_range(spec, stale, settings) == {}
    once = dict.fromkeys(DAYS, 1)
    assert versions("raw") == once | {CHANGED: 2}
    for stage in ("points", "clusters"):
        assert versions(stage) == once | dict.fromkeys(FOLLOWING, 2)
        assert stale_in_dagster(spec, stage, instance) == []
    assert shown_stale() == {}


def test_a_run_publishes_raw_of_the_days_before(
    spec: PipelineSpec, lake: Path, instance: dg.DagsterInstance
) -> None:
    before, day = DAYS[1:3]
    (lake / before.prefix / "rows.parquet").unlink()
    assert materialize_range(spec, [day], load_settings(), stages=STAGES[:2]) == {}
    assert versions("raw") == versions("points") == {day: 1}
    ledger = Ledger(*open_storage(load_settings()), "visits")
    assert ledger.require("points", day).metrics["window_days"] == "1 of 2"

    # A day that arrives late belongs to the window.
    write_day(lake, before, "i")
    assert materialize_range(spec, [day], load_settings(), stages=STAGES[:2]) == {}
    assert versions("raw") == {before: 1, day: 1}
    assert versions("points") == {day: 2}
    assert ledger.require("points", day).metrics["window_days"] == "2 of 2"
    recorded = instance.get_materialized_partitions(dg.AssetKey(["visits", "raw"]))
    assert recorded == {before.key, day.key}

    # A broken one fails the windows over it.
    (lake / before.prefix / "rows.parquet").write_bytes(b"PAR1")
    failed = materialize_range(spec, [day], load_settings(), stages=STAGES[:2])
    assert f"{before.prefix}/rows.parquet" in str(failed[day])
    assert versions("points") == {day: 2}


@pytest.mark.usefixtures("instance")
def test_points_without_raw_need_the_days_before(spec: PipelineSpec) -> None:
    assert materialize_range(spec, [DAYS[3]], load_settings(), stages=["raw"]) == {}
    failed = materialize_range(spec, [DAYS[3]], load_settings(), stages=["points"])
    assert "raw of 2026-01-03 has not been published" in str(failed[DAYS[3]])


def test_dagster_knows_the_days_of_a_window(spec: PipelineSpec) -> None:
    assets = pipeline_assets(spec, load_settings())
    graph = dg.Definitions([assets], resources=RESOURCES).resolve_asset_graph()
    mapping = graph.get_partition_mapping(dg.AssetKey(["visits", "points"]), dg.AssetKey(["visits", "raw"]))
    assert mapping == dg.TimeWindowPartitionMapping(
        start_offset=1 - LENGTH, end_offset=0, allow_nonexistent_upstream_partitions=True
    )
