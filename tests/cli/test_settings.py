"""Settings: where relative paths are, what `.env` defines, and errors of the system."""

from __future__ import annotations

import shutil
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from cluster_assets import storage_settings
from cluster_assets.cli import commands, run_command
from cluster_assets.domain.errors import SpecError
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import Settings, load_settings
from cluster_assets.storage_settings import StorageSettings, load_storage_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.usefixtures("home")
def test_relative_paths_are_below_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "DEFS", "DUCKDB_DATABASE"):
        monkeypatch.setenv(f"CLUSTER_{name}", "some/where")
    settings = load_settings()
    place = PROJECT_ROOT / "some" / "where"
    assert (settings.home_dir, settings.defs_dirs[-1], settings.duckdb_database) == (place, place, place)


@pytest.mark.usefixtures("home")
def test_dotenv_defines_variables_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ".env"
    path.write_text("CLUSTER_REAL_DATA=/data\nCLUSTER_SQL_THREADS=3\n")
    monkeypatch.setattr(storage_settings, "ENV_FILE", path)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    assert load_settings().source_variables["CLUSTER_REAL_DATA"] == "/data"
    assert load_settings().sql_threads == 3
    monkeypatch.setenv("CLUSTER_REAL_DATA", "")
    assert not load_settings().source_variables["CLUSTER_REAL_DATA"]


def test_dotenv_is_that_of_the_project() -> None:
    assert Settings.model_config["env_file"] == PROJECT_ROOT / ".env"


@pytest.mark.usefixtures("home")
def test_a_home_that_cannot_be_made_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLUSTER_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr("sys.argv", ["cluster-assets", "sample", "--days", "1", "--entities", "30"])
    with pytest.raises(SystemExit) as ended:
        run_command(commands)
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert str(tmp_path / "file") in said
    assert "remedy:" in said


def test_doctor_checks_the_others_beside_a_broken_file(defs_folder: Path) -> None:
    (defs_folder / "broken").mkdir()
    (defs_folder / "broken" / "defs.yaml").write_text("")
    findings = {finding.name: finding for finding in examine(load_settings())}
    assert not findings[f"pipeline file {defs_folder / 'broken' / 'defs.yaml'}"].ok
    assert findings["pipeline files"].ok
    assert "pipeline attackers" in findings


def test_the_folder_of_local_data_is_its_owners_alone(
    home: Path, cluster_assets: Callable[..., object]
) -> None:
    shutil.rmtree(home, ignore_errors=True)
    cluster_assets("sample", "--days", "1", "--entities", "10")
    assert home.stat().st_mode & 0o777 == 0o700
    home.chmod(0o750)
    cluster_assets("doctor")
    assert home.stat().st_mode & 0o777 == 0o750, "what the owner has set stays"


NAMES = [field.name for field in fields(StorageSettings)]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "given",
    [
        {},
        {
            "target": "aws",
            "aws_bucket": "lake",
            "aws_bucket_owner": "123456789012",
            "aws_region": "eu-west-1",
        },
        {
            "aws_endpoint_url": "http://127.0.0.1:5000",
            "aws_prefix": "a/b",
            "aws_kms_key": "k",
            "aws_database": "d",
        },
        {"aws_prefix": "", "aws_catalog_id": "", "target": "trino"},
        {"home": "some/where"},
        *({"verify_files": text} for text in ("1", "true", "Yes", "ON", "t", "0", "False", "no", "off", "f")),
    ],
)
def test_the_api_reads_the_storage_as_all_others(
    given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUSTER_HOME", str(tmp_path))
    (path := tmp_path / ".env").write_text("CLUSTER_AWS_DATABASE=written\nCLUSTER_AWS_KMS_KEY=written\n")
    monkeypatch.setattr(storage_settings, "ENV_FILE", path)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    for name, value in given.items():
        monkeypatch.setenv(f"CLUSTER_{name.upper()}", value)
    settings, found = load_settings(), load_storage_settings()
    assert [getattr(found, name) for name in NAMES] == [getattr(settings, name) for name in NAMES]
    assert found.aws_database == given.get("aws_database", "written")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", "gcp"),
        ("verify_files", "perhaps"),
        ("aws_bucket", "ab"),
        ("aws_bucket_owner", "x1234567890123"),
        ("aws_catalog_id", "12"),
        ("aws_endpoint_url", "ftp://here"),
        ("home", "~nobody-of-this-name/x"),
    ],
)
def test_the_api_refuses_what_all_others_refuse(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable := f"CLUSTER_{name.upper()}", value)
    for load in (load_settings, load_storage_settings):
        with pytest.raises(SpecError, match=f"{variable}: ") as caught:
            load()
        assert caught.value.remedy == f"set {variable} to a valid value or unset it"
