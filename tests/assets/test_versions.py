"""What Dagster shows as stale: days that a run would compute differently, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest

# The UI asks this class; Dagster has no public way to ask.
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

DAY = "2026-01-01"
FRESH = dict.fromkeys(STAGE_NAMES, "FRESH")


def write_rows(lake: Path, count: int) -> None:
    query = f"SELECT 'e' || i AS id, (i % 3)::DOUBLE AS x FROM range({count}) AS t(i)"
    duckdb.execute(f"COPY ({query}) TO '{lake}/day={DAY}/rows.parquet' (FORMAT parquet)")


def spec_with(lake: Path, **changes: Any) -> PipelineSpec:
    attributes = {
        "name": "demo",
        "start_date": DAY,
        "raw": {"files": f"{lake}/day=*/*.parquet", "partition_column": "day"},
        "entity": "id",
        "features": {"vector": ["max(x)"]},
        "distance": {"metric": "euclidean", "threshold": 1},
        "algorithm": {"type": "dbscan", "min_samples": 2},
    }
    return PipelineSpec.model_validate(attributes | changes)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / f"day={DAY}").mkdir()
    write_rows(tmp_path, 6)
    return tmp_path


def run(spec: PipelineSpec, instance: dg.DagsterInstance, *stages: str) -> None:
    keys = [dg.AssetKey(["demo", stage]) for stage in stages or STAGE_NAMES]
    done = dg.materialize(
        [pipeline_assets(spec, load_settings())],
        instance=instance,
        resources=RESOURCES,
        partition_key=DAY,
        selection=dg.AssetSelection.assets(*keys),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert done.success


def statuses(spec: PipelineSpec, instance: dg.DagsterInstance) -> dict[str, str]:
    graph = dg.Definitions(
        [pipeline_assets(spec, load_settings())], resources=RESOURCES
    ).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    return {stage: resolver.get_status(dg.AssetKey(["demo", stage]), DAY).value for stage in STAGE_NAMES}


def test_dagster_shows_the_days_that_would_change(lake: Path, instance: dg.DagsterInstance) -> None:
    spec = spec_with(lake)
    run(spec, instance)
    assert statuses(spec, instance) == FRESH
    run(spec, instance, "raw", "points")  # unchanged, so nothing that reads them is stale
    assert statuses(spec, instance) == FRESH

    nearer = spec_with(lake, distance={"metric": "euclidean", "threshold": 0.5})
    changed = ("candidates", "clusters", "profiles", "report")
    assert statuses(nearer, instance) == FRESH | dict.fromkeys(changed, "STALE")
    assert statuses(spec_with(lake, owners=["team:x"]), instance) == FRESH

    write_rows(lake, 9)
    run(spec, instance, "raw")
    assert statuses(spec, instance) == FRESH | {"points": "STALE"}
    run(spec, instance)
    assert statuses(spec, instance) == FRESH
