"""Damaged files and a lost catalog: found, told and undone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import ClusterAssetsError, IntegrityError
from cluster_assets.lake import open_lake
from cluster_assets.opening import open_storage
from cluster_assets.operations.runs import materialize_range
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import ALL_STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tool = Callable[..., str]

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-02")))
FIRST, SECOND = DAYS
ATTRIBUTES: dict[str, Any] = {
    "name": "people",
    "start_date": FIRST.key,
    "end_date": SECOND.key,
    "entity": "id",
    "features": {"vector": ["max(x)", "max(y)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
    "checks": {"min_days": 1},
    "serve": {},
}


def write_source(home: Path) -> None:
    for day in DAYS:
        folder = home / "lake" / f"day={day.key}"
        folder.mkdir(parents=True)
        query = "SELECT 'e' || i AS id, (i % 3)::DOUBLE AS x, (i % 7)::DOUBLE AS y FROM range(40) AS t(i)"
        duckdb.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet)")


def use(home: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CLUSTER_HOME", str(home))
    patch.setenv("CLUSTER_DEFS", str(home / "defs"))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two published days, with all stages."""
    home = tmp_path_factory.mktemp("damage") / "home"
    write_source(home)
    path = home / "defs" / "people" / "defs.yaml"
    path.parent.mkdir(parents=True)
    raw = {"files": "${CLUSTER_HOME}/lake/day=*/*.parquet", "partition_column": "day"}
    path.write_text(yaml.safe_dump({"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw}}))
    with pytest.MonkeyPatch.context() as patch:
        use(home, patch)
        settings = load_settings()
        assert not materialize_range(load_pipeline_named("people", settings.defs_dirs), DAYS, settings)
    return home


@pytest.fixture
def home(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "home"
    shutil.copytree(published, copy)
    use(copy, monkeypatch)
    return copy


@pytest.fixture
def tool(home: Path) -> Tool:
    """A command in this process; returns what it prints."""

    def run(*arguments: str, fails: bool = False) -> str:
        done = CliRunner().invoke(commands, arguments)
        assert (done.exit_code != 0) == fails, (done.output, done.exception)
        if done.exception is not None and not isinstance(done.exception, ClusterAssetsError | SystemExit):
            raise done.exception
        return done.output + (str(done.exception) if done.exception else "")

    return run


def exported(tool: Tool, home: Path, day: str = FIRST.key) -> list[Any]:
    output = home / "out.jsonl"
    tool("export", "people", "clusters", "--day", day, "--output", str(output))
    return [json.loads(line) for line in output.read_text().splitlines()]


def data_files(home: Path, stage: str, day: str = FIRST.key) -> list[Path]:
    manifest = Ledger(*open_storage(load_settings()), "people").current(stage, parse_day(day))
    assert manifest is not None
    return [home / "warehouse" / file.key for file in manifest.files]


def flip_bit(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def test_nothing_is_damaged(tool: Tool) -> None:
    assert "2 days" in (text := tool("verify"))
    assert "no damage" in text
    assert tool("verify", "people", "--format", "json").startswith("[]")


def test_readers_refuse_a_flipped_bit(tool: Tool, home: Path) -> None:
    sound = exported(tool, home)
    (path,) = data_files(home, "clusters")
    flip_bit(path)
    output = str(home / "out.csv")
    text = tool("export", "people", "clusters", "--day", FIRST.key, "--output", output, fails=True)
    assert "is damaged" in text
    assert str(path) in text
    assert "verify people --repair" in text
    with pytest.raises(IntegrityError, match="is damaged"):
        open_lake().read("people", "clusters", FIRST.key)
    with pytest.raises(IntegrityError, match="is damaged"):
        open_lake().read("people", "clusters", (FIRST.key, SECOND.key))
    assert open_lake(verify=False).read("people", "clusters", FIRST.key)
    assert exported(tool, home, SECOND.key) == sound, "the other day is as it was"


@pytest.mark.parametrize("stage", [name for name in ALL_STAGE_NAMES if name != "raw"])
def test_every_flipped_bit_is_found_and_repaired(tool: Tool, home: Path, stage: str) -> None:
    sound = exported(tool, home)
    files = data_files(home, stage)
    assert files
    for path in files:
        flip_bit(path)
    text = tool("verify", "people", fails=True)
    for path in files:
        assert f"people/{stage}, {FIRST}  changed: {path}" in text
    assert SECOND.key not in text
    assert "repaired" in tool("verify", "people", "--repair")
    assert "no damage" in tool("verify")
    assert exported(tool, home) == sound


def test_a_lost_file_and_an_unreadable_manifest_are_found_and_repaired(tool: Tool, home: Path) -> None:
    sound = exported(tool, home)
    data_files(home, "clusters")[0].unlink()
    manifest = home / "warehouse/people/points/_manifests" / f"day={SECOND.key}" / "00000001.json"
    flip_bit(manifest)
    text = tool("verify", fails=True)
    assert f"people/clusters, {FIRST}  missing: " in text
    assert f"people/points, {SECOND}  " in text
    tool("verify", "--repair")
    assert "no damage" in tool("verify")
    assert exported(tool, home) == exported(tool, home, SECOND.key) == sound


def test_what_has_lost_its_source_is_told_and_stays_as_it_is(tool: Tool, home: Path) -> None:
    sound = exported(tool, home, SECOND.key)
    (home / "lake" / f"day={FIRST.key}" / "rows.parquet").unlink()
    flip_bit(data_files(home, "points")[0])
    text = tool("verify", "people", "--repair", fails=True)
    assert f"people, {FIRST}: not repaired" in text
    assert f"no file holds {FIRST}" in text
    assert exported(tool, home, SECOND.key) == sound


def test_a_lost_catalog_is_restored(tool: Tool, home: Path) -> None:
    sound = exported(tool, home)
    ledger = Ledger(*open_storage(load_settings()), "people")
    before = {stage: ledger.days(stage) for stage in ALL_STAGE_NAMES}
    shutil.rmtree(home / "catalog")
    shutil.rmtree(home / "lake")
    assert "16 stages of days" in tool("restore")
    assert not any(ledger.days(stage) for stage in ALL_STAGE_NAMES), "without --yes nothing is published"
    tool("restore", "--yes")
    assert {stage: ledger.days(stage) for stage in ALL_STAGE_NAMES} == before
    assert exported(tool, home) == sound
    assert "0 stages of days" in tool("restore", "people")


def test_a_restored_day_is_the_newest_version_that_is_whole(tool: Tool, home: Path) -> None:
    settings = load_settings()
    spec = load_pipeline_named("people", settings.defs_dirs)
    assert not materialize_range(spec, [FIRST], settings, force=True, stages=["clusters"])
    ledger = Ledger(*open_storage(settings), "people")
    second, first = list(ledger.history("clusters", FIRST))
    assert (second.version, first.version) == (2, 1)
    (home / "warehouse" / second.files[0].key).unlink()
    shutil.rmtree(home / "catalog" / "people" / "clusters")
    assert f"people/clusters, {FIRST}  version 1 (version 2: {second.files[0].key} is missing" in tool(
        "restore", "--yes"
    )
    assert ledger.require("clusters", FIRST) == first
    (home / "warehouse" / first.files[0].key).unlink()
    shutil.rmtree(home / "catalog" / "people" / "clusters")
    text = tool("restore", "--yes", fails=True)
    assert "no version can be published" in text
    assert ledger.days("clusters") == (SECOND,)
