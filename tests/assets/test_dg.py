"""The common `dg` commands work on the project."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONGEST_S

PARTS = ("cluster_assets", "sql", "lambda_worker", "pyproject.toml", "dagster.yaml")
PROJECT = Path(__file__).resolve().parents[2]


def dg(*arguments: str, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("dg")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False, timeout=LONGEST_S)


@pytest.mark.long  # `make check` runs the same two commands
def test_check_yaml_and_defs(home: Path) -> None:
    for check in ("yaml", "defs"):
        done = dg("check", check)
        assert done.returncode == 0, done.stdout + done.stderr


def test_list_defs(home: Path) -> None:
    done = dg("list", "defs", "--json")
    assert done.returncode == 0, done.stderr
    for key in ("attackers/clusters", "origins/candidates", "behaviours/points", "attackers_daily"):
        assert key in done.stdout


@pytest.fixture
def copied_project(tmp_path: Path) -> Path:
    """The project without its history, so that scaffolding leaves no trace in it."""
    project = tmp_path / "project"
    names = subprocess.run(
        ["git", "ls-files", *PARTS],  # noqa: S607 - git is wherever the developer has it
        capture_output=True, text=True, check=True, cwd=PROJECT,
    ).stdout.split()  # fmt: skip
    for name in names:
        target = project / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((PROJECT / name).read_bytes())
    return project


def test_scaffold_defs(home: Path, copied_project: Path) -> None:
    component = "cluster_assets.components.ClusteringPipeline"
    done = dg("scaffold", "defs", component, "shops", "--files", "data/*.csv", cwd=copied_project)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (copied_project / "cluster_assets" / "defs" / "shops" / "defs.yaml").read_text()
    assert "data/*.csv" in text
    done = dg("check", "yaml", cwd=copied_project)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_yaml_finds_a_typo(home: Path, copied_project: Path) -> None:
    path = copied_project / "cluster_assets" / "defs" / "attackers" / "defs.yaml"
    path.write_text(path.read_text().replace("threshold:", "treshold:"))
    # With the path: dg 1.13 checks one file of a component type otherwise, whichever it lists last.
    done = dg("check", "yaml", str(path.parent), cwd=copied_project)
    assert done.returncode != 0
    assert "treshold" in done.stdout + done.stderr


LIST_ASSETS = """
from cluster_assets.definitions import defs
graph = defs().resolve_asset_graph()
for key in graph.get_all_asset_keys():
    print(key.to_user_string(), graph.get(key).metadata.get("error", ""))
"""


# Other mistakes take the same way; test_broken_files has them, in this process.
@pytest.mark.parametrize("wrong", ["entity: timestamp()", "entity: ["])
def test_a_broken_packaged_pipeline_leaves_the_others(home: Path, copied_project: Path, wrong: str) -> None:
    path = copied_project / "cluster_assets" / "defs" / "attackers" / "defs.yaml"
    path.write_text(path.read_text().replace("entity: src_ip", wrong))
    other = copied_project / "cluster_assets" / "defs" / "extra" / "defs.py"
    other.parent.mkdir()
    other.write_text("import dagster as dg\n\n\n@dg.asset\ndef extra() -> None: ...\n")
    done = subprocess.run(
        [sys.executable, "-c", LIST_ASSETS],
        capture_output=True, text=True, check=False, cwd=copied_project, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    listed = done.stdout
    assert "attackers/broken_" in listed
    assert f"{path}:" in listed
    assert "attackers/clusters" not in listed
    assert "origins/candidates" in listed
    assert "behaviours/points" in listed
    # Dagster reads no component of a folder with a file that is no YAML.
    assert ("extra" in listed.split()) == (wrong != "entity: [")


def test_check_defs_passes_with_a_broken_pipeline(
    home: Path, copied_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(copied_project))  # before the project that is installed
    path = copied_project / "cluster_assets" / "defs" / "attackers" / "defs.yaml"
    path.write_text(path.read_text().replace("entity: src_ip", "entity: var_map(x)"))
    done = dg("check", "defs", cwd=copied_project)
    assert done.returncode == 0, done.stdout + done.stderr
