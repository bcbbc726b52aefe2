"""What Dagster sees: assets, partitions, policies, metadata, schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import pytest
from pipeline_yaml import GOOD_YAML

from cluster_assets.components import ClusteringPipeline
from cluster_assets.definitions import defs
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.sequence import TABLES

if TYPE_CHECKING:
    from pathlib import Path

STAGES = ("raw", "points", "candidates", "clusters", "lineage", "profiles", "report")
DEMOS = ("attackers", "origins", "behaviours")


@pytest.fixture
def loaded(home: Path) -> dg.Definitions:
    return defs()


def test_every_pipeline_has_its_four_assets(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.materializable_asset_keys}
    published = ("published_json", "published_dynamodb")
    all_have = {f"{name}/{asset}" for name in DEMOS for asset in (*STAGES, *published)}
    assert keys == all_have | {"attackers/index"}
    # All three read one file, which an asset of other code may write.
    children = {key.to_user_string() for key in graph.get(dg.AssetKey("honeypot")).child_keys}
    assert children == {f"{name}/raw" for name in DEMOS}


def test_all_assets_share_partitions_and_backfill_policy(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
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


def test_dagster_shows_what_every_column_of_every_table_holds(loaded: dg.Definitions) -> None:
    graph = loaded.resolve_asset_graph()
    for stage, tables in TABLES.items():
        shown = {
            name.removeprefix("columns of "): schema
            for name, schema in graph.get(dg.AssetKey(["attackers", stage])).metadata.items()
            if isinstance(schema, dg.TableSchema)
        }
        shown[stage] = shown.pop("dagster/column_schema", shown.get(stage))
        absent = {"scales", "dendrogram", "condensed_tree", "reachability", "centres"}
        assert set(shown) - {stage} == {t.name for t in tables} - {stage, *absent}
        assert all(column.description for schema in shown.values() if schema for column in schema.columns)
        claimed = graph.get(dg.AssetKey(["attackers", stage])).metadata.get("dagster/table_name")
        assert claimed == (f"attackers_{stage}" if stage in {t.name for t in tables} else None)
    points = graph.get(dg.AssetKey(["behaviours", "points"])).metadata
    assert points["columns of scales"].columns[2].description == "Value that is subtracted"
    assert points["dagster/column_schema"].columns[2].description == "count(*) (scaled)"


def test_a_pipeline_in_the_users_folder_is_loaded(defs_folder: Path) -> None:
    (defs_folder / "mine").mkdir()
    (defs_folder / "mine" / "defs.yaml").write_text(GOOD_YAML.replace("name: demo", "name: mine"))
    keys = {key.to_user_string() for key in defs().resolve_asset_graph().get_all_asset_keys()}
    assert "mine/clusters" in keys
    assert "attackers/clusters" in keys


def test_a_pipeline_in_the_users_folder_has_all_that_dagster_gives_a_component(defs_folder: Path) -> None:
    path = defs_folder / "mine" / "defs.yaml"
    path.parent.mkdir()
    (path.parent / "words.py").write_text(
        "import dagster as dg\n\n\n@dg.template_var\ndef cost() -> str:\n    return 'high'\n"
    )
    (defs_folder / "script.py").write_text("raise SystemExit('a file that Dagster must not import')\n")
    path.write_text(
        GOOD_YAML.replace("name: demo", "name: mine")
        + "template_vars_module: .words\n"
        + "requirements: {env: [NEEDED]}\n"
        + "post_processing:\n  assets:\n"
        + "    - {target: 'key:mine/clusters', attributes: {tags: {cost: '{{ cost }}'}}}\n"
    )
    graph = defs().resolve_asset_graph()
    clusters, raw = (graph.get(dg.AssetKey(["mine", stage])) for stage in ("clusters", "raw"))
    assert clusters.tags["cost"] == "high"
    assert "cost" not in raw.tags
    # "Open defs.yaml" on the page of the asset
    (reference,) = raw.metadata["dagster/code_references"].code_references
    assert (reference.file_path, reference.line_number) == (str(path), 1)


def test_a_pipeline_in_the_users_folder_prints_no_warning(
    defs_folder: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (defs_folder / "mine").mkdir()
    text = GOOD_YAML.replace("name: demo", "name: mine") + "  freshness: {within_hours: 12}\n"
    (defs_folder / "mine" / "defs.yaml").write_text(text)
    defs().get_repository_def().get_all_jobs()
    ours = [w for w in recwarn if issubclass(w.category, dg.PreviewWarning | dg.BetaWarning)]
    assert [str(w.message) for w in ours] == []


def test_a_schedule_asks_for_the_day_before(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "defs.yaml"
    path.write_text(GOOD_YAML + "  schedule: {hour_of_day: 6, minute_of_hour: 30}\n")
    pipeline = dg.build_defs_for_component(ClusteringPipeline(load_pipeline(path)))
    definitions = pipeline
    schedule = definitions.resolve_schedule_def("demo_daily_schedule")
    assert schedule.cron_schedule == "30 6 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_our_code_uses_no_deprecated_dagster_api(home: Path, recwarn: pytest.WarningsRecorder) -> None:
    defs()
    bad = [w for w in recwarn if issubclass(w.category, DeprecationWarning | dg.SupersessionWarning)]
    assert [str(w.message) for w in bad if "cluster_assets" in str(w.filename)] == []
