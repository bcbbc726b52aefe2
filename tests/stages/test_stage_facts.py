"""Each stage states its facts once, and Dagster, checks and exports follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets import stages
from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.backends.statements import SQL_ROOT
from cluster_assets.operations.exports import TABLES
from cluster_assets.settings import PACKAGED_DEFS, Settings
from cluster_assets.spec.checks import Checks
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.sequence import LAST_WITHOUT_DAYS_BEFORE, STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from cluster_assets.stages.day.stage import Stage

ENGINES = {"local": "duckdb", "trino": "trino", "aws": "athena"}
EACH_STAGE = pytest.mark.parametrize("stage", STAGES, ids=STAGE_NAMES)


@EACH_STAGE
def test_a_stage_has_its_folders_and_reads_stages_before_it(stage: Stage) -> None:
    assert (Path(stages.__path__[0]) / stage.name / "stage.py").is_file()
    assert (SQL_ROOT / stage.name).is_dir()
    before = STAGE_NAMES[: STAGE_NAMES.index(stage.name)]
    assert set(stage.deps_before) <= {*stage.deps, stage.name}
    assert set(stage.deps) <= set(before)
    assert bool(stage.deps) == bool(before)


@EACH_STAGE
def test_each_check_of_a_stage_is_in_the_yaml_and_described(stage: Stage) -> None:
    checks = Checks()
    names = [check.name for check in (*stage.all_checks, *stage.trends)]
    assert len(set(names)) == len(names)
    for check in stage.all_checks:
        assert checks.structure_part(check.name).on_failure == "block"
        assert check.description
    for trend in stage.trends:
        assert getattr(checks, trend.name).on_failure == "warn"
        assert trend.description
        assert trend.look or trend.of_histograms


@EACH_STAGE
def test_tables_are_sorted_by_columns_they_have(stage: Stage) -> None:
    for table in stage.tables:
        assert TABLES.get(table.name) == ((table, stage) if table.is_exported else None)
        assert table.sort_by
        assert set(table.sort_by) <= {column.name for column in table.columns}


def test_the_tables_that_can_be_exported() -> None:
    assert {name: stage.name for name, (_, stage) in TABLES.items()} == {
        **dict.fromkeys(("points", "members", "scales"), "points"),
        "candidates": "candidates",
        **dict.fromkeys(("clusters", "dendrogram", "condensed_tree", "reachability"), "clusters"),
        **dict.fromkeys(("lineage", "overlaps"), "lineage"),
        **dict.fromkeys(("profiles", "cluster_features"), "profiles"),
    }


@pytest.mark.parametrize("target", ENGINES)
def test_assets_have_the_kinds_of_the_engine_that_runs(target: str) -> None:
    settings = Settings.model_validate({"target": target, "aws_bucket": "bucket"})
    spec = load_pipeline(PACKAGED_DEFS / "attackers" / "defs.yaml")
    engine = ENGINES[target]
    expected = {
        **{name: {"sql", engine, "parquet"} for name in ("raw", "points", "candidates", "lineage")},
        "clusters": {"python", "scikitlearn", "parquet"},
        "profiles": {engine, "python", "parquet"},
        "report": {engine, "python", "html"},
        "index": {"python", "sqlite"},
    }
    nodes = pipeline_assets(spec, settings).specs
    kinds = {node.key.path[-1]: set(node.kinds) for node in nodes}
    published = {"published_json": {"json"}, "published_dynamodb": {"dynamodb"}}
    assert kinds == expected | published


def test_arrivals_ask_for_days_up_to_the_last_stage_that_needs_no_other_day() -> None:
    assert LAST_WITHOUT_DAYS_BEFORE == "clusters"
