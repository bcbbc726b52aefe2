"""Publications in Dagster: an asset for each target, days and their numbers, each target by itself."""

from __future__ import annotations

import gzip
import json
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner
from pipeline_yaml import GOOD_YAML

from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.assets.resource import RESOURCES
from cluster_assets.backends.patience import Patience
from cluster_assets.cli import commands
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import DaysFailedError, PublicationError, TargetUnavailableError
from cluster_assets.opening import open_storage
from cluster_assets.operations.backfills import BackfillOptions, days_to_run
from cluster_assets.operations.instances import prepare_home
from cluster_assets.operations.runs import materialize_days, materialize_range
from cluster_assets.publish.aws_faults import Calls
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Publish
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec

PUBLISH = """\
  publish:
    - json: {tables: [clusters, profiles]}
    - dynamodb
    - delta: {tables: [points, lineage]}
"""
DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-02")))


@pytest.fixture
def spec(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> PipelineSpec:
    """Two days."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")  # `prepare_home` sets it for the process
    lake = tmp_path / "lake"
    lake.mkdir()
    for number, day in enumerate(DAYS, start=1):
        select = (
            f"SELECT TIMESTAMP '{day} 12:00:00' AS event_time, 'e' || i AS id, i * 0.5::DOUBLE AS x "
            f"FROM range({4 * number}) AS t(i)"
        )
        duckdb.execute(f"COPY ({select}) TO '{lake}/{day}.parquet' (FORMAT parquet)")
    monkeypatch.setenv("CLUSTER_DEFS", str(tmp_path / "pipelines"))
    path = tmp_path / "pipelines" / "demo" / "defs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(GOOD_YAML.replace("data/", f"{lake}/") + PUBLISH)
    return load_pipeline(path)


def records(asset: str) -> dict[str, dict[str, Any]]:
    with dg.DagsterInstance.get() as instance:
        found = instance.fetch_materializations(dg.AssetKey(["demo", asset]), limit=1000).records
    kept: dict[str, dict[str, Any]] = {}
    for record in reversed(found):
        assert record.asset_materialization is not None
        metadata = {name: value.value for name, value in record.asset_materialization.metadata.items()}
        kept[str(record.asset_materialization.partition)] = metadata
    return kept


def test_each_target_has_an_asset_and_the_days_say_where_they_are(spec: PipelineSpec, home: Path) -> None:
    settings = load_settings()
    assets = {one.key.path[-1]: one for one in pipeline_assets(spec, settings).specs}
    published = [name for name in assets if name.startswith("published_")]
    assert published == ["published_json", "published_dynamodb", "published_delta"]
    assert {one.asset_key.path[-1] for one in assets["published_json"].deps} == {"clusters", "profiles"}

    materialize_days(spec, DAYS, settings, force=False)
    prepare_home(settings)
    numbers = records("published_json")
    assert sorted(numbers) == [day.key for day in DAYS]
    assert {day: one["outcome"] for day, one in numbers.items()} == {day.key: "written" for day in DAYS}
    folder = home / "published" / "json" / "demo"
    for number, day in enumerate(DAYS, start=1):
        lines = gzip.decompress((folder / "clusters" / f"{day.prefix}.jsonl.gz").read_bytes()).splitlines()
        entities = {json.loads(line)["entity"] for line in lines}
        assert entities == {f"e{i}" for i in range(4 * number)}
        assert numbers[day.key]["manifest_version"] == 1
        assert str(folder / "clusters" / f"{day.prefix}.jsonl.gz") in numbers[day.key]["address"]
    # The store of the newest day takes that one only.
    items = records("published_dynamodb")
    assert {day: one["outcome"] for day, one in items.items()} == {
        DAYS[0].key: "superseded",
        DAYS[1].key: "written",
    }
    with sqlite3.connect(home / "published" / "serving.sqlite") as connection:
        ((pointer,),) = connection.execute("SELECT item FROM items WHERE pk = 'demo'").fetchall()
    assert (json.loads(pointer)["day"], json.loads(pointer)["items"]) == (DAYS[-1].key, 8)
    assert records("published_delta")[DAYS[0].key]["rows"] > 0
    with dg.DagsterInstance.get() as instance:
        checks = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(dg.AssetKey(["demo", "published_json"]), "readable"), limit=10
        )
    assert [check.status.value for check in checks] == ["SUCCEEDED"] * 2

    materialize_days(spec, DAYS, settings, force=False)
    assert {one["outcome"] for one in records("published_delta").values()} == {"unchanged"}


def materialize(spec: PipelineSpec, *others: dg.AssetsDefinition, selection: dg.AssetSelection) -> None:
    with dg.DagsterInstance.get() as instance:
        dg.materialize(
            [pipeline_assets(spec, load_settings()), *others],
            instance=instance,
            selection=selection,
            resources=RESOURCES,
            tags={"dagster/partition": DAYS[0].key},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def test_runs_of_the_check_alone_and_of_assets_downstream(spec: PipelineSpec, home: Path) -> None:
    """The check alone is evaluated; Dagster's second record of a day has its metadata."""
    materialize_days(spec, DAYS[:1], load_settings(), force=False)
    prepare_home(load_settings())
    asset = dg.AssetKey(["demo", "published_json"])
    check = dg.AssetCheckKey(asset, "readable")
    materialize(spec, selection=dg.AssetSelection.checks(check))
    with dg.DagsterInstance.get() as instance:
        history = instance.event_log_storage.get_asset_check_execution_history(check, limit=10)
        assert [one.status.value for one in history] == ["SUCCEEDED"] * 2
        assert len(instance.fetch_materializations(asset, limit=10).records) == 1

    ours = pipeline_assets(spec, load_settings())

    @dg.asset(deps=[asset], partitions_def=ours.partitions_def, backfill_policy=ours.backfill_policy)
    def board() -> None: ...

    materialize(spec, board, selection=dg.AssetSelection.assets(asset, board))
    with dg.DagsterInstance.get() as instance:
        assert len(instance.fetch_materializations(asset, limit=10).records) == 3
    (numbers,) = records("published_json").values()
    assert numbers["outcome"] == "unchanged"
    assert str(home / "published" / "json") in numbers["address"]


def to_publish(spec: PipelineSpec) -> dict[Day, tuple[str, ...]]:
    """Why `show` marks the first day; `backfill` takes it for the same reason."""
    shown = CliRunner().invoke(commands, ["show", spec.name, "--day", DAYS[0].key, "--format", "json"])
    stale = tuple(json.loads(shown.stdout)["stale"])
    found = {DAYS[0]: stale} if stale else {}
    assert days_to_run(spec, DAYS[:1], load_settings(), BackfillOptions("stale")) == tuple(found)
    return found


def test_a_failed_target_or_day_leaves_the_others_alone(
    spec: PipelineSpec, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    (home / "published").mkdir(parents=True)
    (home / "published" / "json").write_text("not a folder")
    select = f"SELECT TIMESTAMP '{DAYS[1]} 12:00:00' AS event_time, 'e' AS id, 'nan'::DOUBLE AS x"
    duckdb.execute(f"COPY ({select}) TO '{tmp_path}/lake/{DAYS[1]}.parquet' (FORMAT parquet)")
    with pytest.raises(DaysFailedError, match="2 of 2 days failed") as caught:
        materialize_days(spec, DAYS, settings, force=False)
    assert list(caught.value.errors) == [day.key for day in DAYS]
    assert isinstance(caught.value.errors[DAYS[0].key], PublicationError)
    assert "the folder cannot be used" in str(caught.value.errors[DAYS[0].key])
    prepare_home(settings)
    assert records("published_json") == {}
    assert sorted(records("published_dynamodb")) == sorted(records("published_delta")) == [DAYS[0].key]
    assert days_to_run(spec, DAYS[:1], settings, BackfillOptions("missing")) == ()
    assert to_publish(spec) == {DAYS[0]: ("published_json lacks the newest version",)}
    (home / "published" / "json").unlink()
    materialize_days(spec, DAYS[:1], settings, force=False)
    assert records("published_json")[DAYS[0].key]["outcome"] == "written"
    assert records("published_delta")[DAYS[0].key]["outcome"] == "unchanged"
    ledger = Ledger(*open_storage(settings), spec.name)
    assert {stage: len(list(ledger.history(stage, DAYS[0]))) for stage in STAGE_NAMES} == dict.fromkeys(
        STAGE_NAMES, 1
    )
    assert to_publish(spec) == {}

    materialize_range(spec, DAYS[:1], settings, force=True, stages=["clusters"])
    lacking = ("published_json lacks the newest version", "published_dynamodb lacks the newest version")
    assert to_publish(spec) == {DAYS[0]: lacking}  # the tables of delta have not changed
    settings.dagster_dir.rename(home / "another_machine")
    monkeypatch.delenv("DAGSTER_HOME")
    assert to_publish(spec) == {}


def test_a_target_that_does_not_answer_is_tried_for_one_day(
    spec: PipelineSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens on port 9; with the usual patience each day would take three minutes."""
    patience = Patience(attempts=2, seconds=1)
    monkeypatch.setattr("cluster_assets.publish.targets.Calls", partial(Calls, patience=patience))
    for name, value in {
        "CLUSTER_AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    publish = Publish.model_validate({"json": {"address": "s3://nowhere/there"}, "dynamodb": {}})
    away = spec.model_copy(update={"publish": publish})
    with pytest.raises(DaysFailedError, match="S3 does not answer, or throttles") as caught:
        materialize_days(away, DAYS, load_settings(), force=False)
    first, second = caught.value.errors.values()
    assert isinstance(first, TargetUnavailableError)
    assert first is second
    prepare_home(load_settings())
    assert sorted(records("published_dynamodb")) == [day.key for day in DAYS]
