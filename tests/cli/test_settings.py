"""Settings: where relative paths are, what `.env` defines, and how the system's refusals are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster_assets import settings as module
from cluster_assets.cli import commands, run_command
from cluster_assets.diagnosis import examine
from cluster_assets.settings import PROJECT_ROOT, Settings, load_settings

if TYPE_CHECKING:
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
    monkeypatch.setattr(module, "ENV_FILE", path)
    monkeypatch.setitem(Settings.model_config, "env_file", path)
    assert load_settings().source_variables["CLUSTER_REAL_DATA"] == "/data"
    assert load_settings().sql_threads == 3
    monkeypatch.setenv("CLUSTER_REAL_DATA", "")
    assert not load_settings().source_variables["CLUSTER_REAL_DATA"]


def test_dotenv_is_that_of_the_project() -> None:
    assert Settings.model_config["env_file"] == PROJECT_ROOT / ".env"


@pytest.mark.usefixtures("home")
def test_a_home_that_cannot_be_made_is_told(
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
