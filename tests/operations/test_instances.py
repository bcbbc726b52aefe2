"""The settings of Dagster's instance: written from the project's, and kept once a user has edited them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cluster_assets.domain.errors import SpecError
from cluster_assets.operations import instances
from cluster_assets.operations.instances import prepare_command, prepare_home
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare_home` sets it for the process; a test must not leave its own behind."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def test_settings_follow_the_project_until_a_user_edits_them(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "dagster" / "dagster.yaml"
    for runs in (2, 3):
        monkeypatch.setenv("CLUSTER_PARALLEL_RUNS", str(runs))
        prepare_home(load_settings())
        assert read(path)["concurrency"]["runs"]["max_concurrent_runs"] == runs
        assert read(path)["storage"]["sqlite"]["base_dir"] == str(home / "dagster")
    edited = path.read_text().replace("max_concurrent_runs: 3", "max_concurrent_runs: 7")
    path.write_text(edited)
    prepare_home(load_settings())
    prepare_command(load_settings())
    assert path.read_text() == edited
    for_commands = read(home / "dagster" / "commands" / "dagster.yaml")
    assert for_commands["concurrency"]["runs"]["max_concurrent_runs"] == 7
    assert for_commands["compute_logs"]["class"] == "NoOpComputeLogManager"


def test_another_storage_is_kept(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    project = read(instances.package_file("dagster.yaml")) | {"storage": postgres}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(project))
    monkeypatch.setattr(instances, "package_file", lambda name: tmp_path / name)
    prepare_command(load_settings())
    assert read(home / "dagster" / "dagster.yaml")["storage"] == postgres
    assert read(home / "dagster" / "commands" / "dagster.yaml")["storage"] == postgres


def test_an_empty_dagster_home_counts_as_unset(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for prepare, folder in ((prepare_home, home / "dagster"), (prepare_command, home / "dagster/commands")):
        monkeypatch.setenv("DAGSTER_HOME", "")
        prepare(load_settings())
        assert os.environ["DAGSTER_HOME"] == str(folder)


@pytest.mark.parametrize("value", ["nowhere", "/nowhere/at/all"])
@pytest.mark.usefixtures("home")
def test_a_dagster_home_that_is_no_folder_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", value)
    with pytest.raises(SpecError, match=f"DAGSTER_HOME is not the absolute path of a folder: {value}"):
        prepare_command(load_settings())
