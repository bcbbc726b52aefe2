"""Dropping and renaming a pipeline: nothing changes without --yes, and a crash can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner

from cluster_assets.backends.local.store import LocalStore
from cluster_assets.cli import commands
from cluster_assets.cli.ledgers import open_ledger
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import ConflictError, SpecError
from cluster_assets.opening import open_backend, open_storage
from cluster_assets.operations.instances import prepare_home
from cluster_assets.operations.removal import find_pipeline, remove_pipeline
from cluster_assets.operations.renaming import STAGES_TO_MOVE, check_rename, rename_pipeline
from cluster_assets.operations.runs import try_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.sequence import STAGE_NAMES, day_standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-02")))
YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: {name}  # the comment stays
  start_date: 2026-01-01
  raw: {{files: "{lake}/day=*/*.parquet", partition_column: day}}
  entity: id
  features: {{vector: [max(x)]}}
  distance: {{metric: euclidean, threshold: 1}}
  algorithm: {{type: dbscan, min_samples: 2}}
  publish: json
"""


@pytest.fixture
def new_file(tmp_path: Path, defs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a pipeline of which no day is published."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    for day in DAYS:
        folder = tmp_path / "lake" / f"day={day}"
        folder.mkdir(parents=True)
        query = "SELECT 'e' || i AS id, (i % 3)::DOUBLE AS x FROM range(6) AS t(i)"
        duckdb.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet)")
    path = defs_folder / "people" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(YAML.format(name="people", lake=tmp_path / "lake"))
    return path


@pytest.fixture
def yaml_file(new_file: Path) -> Path:
    """The file of a pipeline with two published days."""
    spec = load_pipeline_named("people", load_settings().defs_dirs)
    assert try_days(spec, DAYS, load_settings(), force=False) == {}
    return new_file


@pytest.fixture
def instance(yaml_file: Path) -> Iterator[dg.DagsterInstance]:
    prepare_home(load_settings())
    with dg.DagsterInstance.get() as found:
        yield found


def objects(name: str) -> dict[str, int]:
    store, _ = open_storage(load_settings())
    return {found.key: found.bytes for found in store.list(f"{name}/")}


def contents(name: str) -> Mapping[str, list[str]]:
    """The digests of what readers see, by stage."""
    ledger = open_ledger(name)
    return {stage: [ledger.require(stage, day).content_digest for day in DAYS] for stage in STAGES_TO_MOVE}


def records(instance: dg.DagsterInstance, name: str) -> int:
    return sum(key.path[0] == name for key in instance.get_asset_keys())


def test_drop_lists_and_then_removes(yaml_file: Path, instance: dg.DagsterInstance, home: Path) -> None:
    before = objects("people")
    listed = CliRunner().invoke(commands, ["drop", "people"], catch_exceptions=False)
    assert listed.exit_code == 0
    assert f"would remove: {yaml_file}" in listed.output
    assert "would remove: people/report, 2 published days" in listed.output
    address = home / "published" / "json" / "people" / "clusters" / f"day={DAYS[0]}.jsonl.gz"
    assert f"left alone: people/published_json, last written to {address}" in listed.output
    assert address.exists()
    assert (objects("people"), yaml_file.exists()) == (before, True)
    assert records(instance, "people") == len(STAGE_NAMES) + 1

    # As by "Report materialization" in the UI, which records no address.
    instance.report_runless_asset_event(dg.AssetMaterialization(["people", "published_json"]))
    done = CliRunner().invoke(commands, ["drop", "people", "--yes"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "left alone" not in done.output
    assert not yaml_file.exists()
    assert objects("people") == {}
    _, catalog = open_storage(load_settings())
    assert not any(catalog.days("people", stage) for stage in STAGE_NAMES)
    assert records(instance, "people") == 0
    assert list((home / "published" / "json" / "people").rglob("*.gz"))
    with pytest.raises(SpecError, match="nothing of a pipeline 'people'"):
        find_pipeline("people", load_settings())


def test_a_running_pipeline_is_neither_dropped_nor_renamed(new_file: Path) -> None:
    settings = load_settings()
    prepare_home(settings)
    with dg.DagsterInstance.get() as instance:
        instance.add_run(dg.DagsterRun(job_name="people_daily", status=dg.DagsterRunStatus.STARTED))
    text = new_file.read_text()
    with pytest.raises(ConflictError, match="1 run of people in progress"):
        remove_pipeline("people", settings)
    with pytest.raises(ConflictError, match="1 run of people in progress"):
        rename_pipeline("people", "persons", settings)
    assert new_file.read_text() == text


def test_a_renamed_pipeline_keeps_its_days(yaml_file: Path, instance: dg.DagsterInstance) -> None:
    before = contents("people")
    listed = CliRunner().invoke(commands, ["rename", "people", "persons"], catch_exceptions=False)
    assert "would move to persons: people/lineage, 2 published days" in listed.output
    assert contents("people") == before
    assert objects("persons") == {}

    done = CliRunner().invoke(commands, ["rename", "people", "persons", "--yes"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "name: persons  # the comment stays" in yaml_file.read_text()
    assert contents("persons") == before
    assert objects("people") == {}
    assert records(instance, "people") == 0
    spec = load_pipeline_named("persons", load_settings().defs_dirs)
    with open_backend(load_settings()) as backend:
        standing = day_standing(spec, backend, open_ledger("persons"), DAYS[1])
    assert (standing.state, standing.stage) == ("missing", "report")
    assert try_days(spec, DAYS, load_settings(), force=False) == {}
    versions = {stage: open_ledger("persons").require(stage, DAYS[1]).version for stage in STAGE_NAMES}
    assert set(versions.values()) == {1}  # nothing was computed again


def test_an_interrupted_rename_is_repeated(
    yaml_file: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents("people")
    renames: list[bool] = []
    # At the first copy, between the versions of two days, and after the file has changed.
    for writes in (1, 9, 40):
        with monkeypatch.context() as patched:
            dies_at_write(writes, patched)
            with pytest.raises(KeyboardInterrupt):
                rename_pipeline("people", "persons", load_settings())
        renames.append("persons" in yaml_file.read_text())
    assert renames == [False, False, True]
    rename_pipeline("people", "persons", load_settings())
    assert contents("persons") == before
    assert objects("people") == {}
    assert records(instance, "people") == 0


def dies_at_write(number: int, patched: pytest.MonkeyPatch) -> None:
    """Let the process die at a write of the local store."""
    left = number

    def dying(method: str) -> Callable[..., object]:
        real = getattr(LocalStore, method)

        def write(self: LocalStore, *arguments: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return real(self, *arguments)

        return write

    for method in ("copy", "put_if_absent", "delete"):
        patched.setattr(LocalStore, method, dying(method))


def test_a_taken_name_is_refused(new_file: Path, defs_folder: Path, tmp_path: Path) -> None:
    other = defs_folder / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text(YAML.format(name="persons", lake=tmp_path / "lake"))
    with pytest.raises(SpecError, match="already a pipeline 'persons'"):
        check_rename("people", "persons", load_settings())
    with pytest.raises(SpecError, match="demo pipeline"):
        check_rename("attackers", "mine", load_settings())
    with pytest.raises(SpecError):
        check_rename("people", "../x", load_settings())
