"""What Dagster sees: assets, partitions, policies, metadata, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest

from cluster_assets.assets.resource import BackendResource
from cluster_assets.components import ClusteringPipeline
from cluster_assets.definitions import defs
from cluster_assets.pipeline_files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

GOOD_YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: demo
  start_date: 2026-01-01
  raw: {files: "data/*.parquet", time_column: event_time}
  entity: id
  features: {vector: [max(x)]}
  distance: {metric: euclidean, threshold: 1}
  algorithm: {type: dbscan, min_samples: 2}
"""
STAGES = ("raw", "points", "candidates", "clusters", "lineage", "profiles", "report")
DEMOS = ("attackers", "origins", "behaviours")


@pytest.fixture
def loaded(home: Path) -> dg.Definitions:
    return defs()


def test_every_pipeline_has_its_four_assets(loaded: dg.Definitions) -> None:
    keys = {key.to_user_string() for key in loaded.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{name}/{stage}" for name in DEMOS for stage in STAGES}


def test_all_assets_share_partitions_and_backfill_policy(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert isinstance(node.partitions_def, dg.DailyPartitionsDefinition)
        keys = node.partitions_def.get_partition_keys()
        assert (keys[0], keys[-1], len(keys)) == ("2013-03-03", "2013-09-08", 190)
        assert node.backfill_policy == dg.BackfillPolicy.multi_run(30)


def test_assets_say_what_they_are(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    clusters = graph.get(dg.AssetKey(["attackers", "clusters"]))
    assert clusters.owners == ["team:threat-research"]
    assert "scikitlearn" in clusters.kinds
    assert clusters.parent_keys == {
        dg.AssetKey(["attackers", "points"]),
        dg.AssetKey(["attackers", "candidates"]),
    }
    schema = clusters.metadata["dagster/column_schema"]
    assert [(column.name, column.type) for column in schema.columns] == [
        ("entity", "varchar"),
        ("point_id", "bigint"),
        ("cluster", "bigint"),
        ("role", "varchar"),
    ]


def test_a_pipeline_in_the_users_folder_is_loaded(defs_folder: Path) -> None:
    (defs_folder / "mine").mkdir()
    (defs_folder / "mine" / "defs.yaml").write_text(GOOD_YAML.replace("name: demo", "name: mine"))
    keys = {key.to_user_string() for key in defs().resolve_asset_graph().get_all_asset_keys()}
    assert "mine/clusters" in keys
    assert "attackers/clusters" in keys


def test_a_schedule_asks_for_the_day_before(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(GOOD_YAML + "  schedule: {hour_of_day: 6, minute_of_hour: 30}\n")
    pipeline = dg.build_defs_for_component(ClusteringPipeline(load_pipeline(path)))
    definitions = dg.Definitions.merge(pipeline, dg.Definitions(resources={"backend": BackendResource()}))
    schedule = definitions.resolve_schedule_def("demo_daily_schedule")
    assert schedule.cron_schedule == "30 6 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_our_code_uses_no_deprecated_dagster_api(home: Path, recwarn: pytest.WarningsRecorder) -> None:
    defs()
    bad = [w for w in recwarn if issubclass(w.category, DeprecationWarning | dg.SupersessionWarning)]
    assert [str(w.message) for w in bad if "cluster_assets" in str(w.filename)] == []
