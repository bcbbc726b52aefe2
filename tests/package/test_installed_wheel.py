"""The wheel in another Dagster project: scaffold a pipeline, run a day, read it."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.cluster import DBSCAN

from cluster_assets.project import CODE_ROOT

DAY = "2026-01-01"
PROJECT = """\
[project]
name = "threats"
version = "0.1"

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "threats"

[tool.dg.cli.telemetry]
enabled = false
"""
DEFINITIONS = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    # A build writes into its source tree; this one has the tracked files alone.
    source = folder / "source"
    for name in ("cluster_assets", "lambda_worker", "sql"):
        shutil.copytree(CODE_ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "dagster.yaml"):
        shutil.copy(CODE_ROOT / name, source / name)
    subprocess.run([*command, "--no-index", "--wheel-dir", str(folder), str(source)], check=True)
    return next(folder.glob("*.whl"))


class Project:
    """A Dagster project with an environment of its own, into which the wheel is installed.

    The locked dependencies are seen through a path file. Path files of folders seen that way are not read, so
    the checkout, which the tests' environment has by such a file, is invisible.
    """

    def __init__(self, root: Path, wheel: Path) -> None:
        self.root = root
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root / "venv")], check=True)
        packages = next((root / "venv").glob("lib/python*/site-packages"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
        (packages / "paths.pth").write_text("\n".join([*site.getsitepackages(), str(root / "src")]))
        module = root / "src" / "threats"
        (module / "defs").mkdir(parents=True)
        (module / "__init__.py").touch()
        (module / "definitions.py").write_text(DEFINITIONS)
        (root / "pyproject.toml").write_text(PROJECT)

    def run(self, *arguments: str) -> str:
        """Output of `python -m ...` in the project's folder."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CLUSTER_", "DAGSTER_"))
        }
        done = subprocess.run(
            [str(self.root / "venv" / "bin" / "python"), *arguments],
            cwd=self.root,
            env={**kept, "PATH": f"{self.root / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Project:
    return Project(tmp_path_factory.mktemp("project"), wheel)


def test_the_wheel_carries_all_that_the_code_reads(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expected = {
        f"cluster_assets/{path.relative_to(CODE_ROOT)}"
        for path in [*(CODE_ROOT / "sql").rglob("*.*"), CODE_ROOT / "dagster.yaml"]
    }
    assert expected <= names
    others = {path.suffix for path in map(Path, names) if path.suffix != ".py"}
    assert others == {".sql", ".jinja", ".yaml", ".html", ".css", ".json", ".typed", ".c", ".h"}
    assert not [name for name in names if name.startswith(("tests/", "deploy/", "benchmarks/"))]


def test_a_scaffolded_pipeline_runs_in_another_project(project: Project) -> None:
    chance = random.Random(7)
    rows = [(f"10.0.0.{chance.randrange(60)}", chance.randrange(1, 40)) for _ in range(400)]
    with (project.root / "events.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("seen_at", "ip", "port"), *((f"{DAY}T05:00:00", *row) for row in rows)])
    flags = ("--files", "events.csv", "--time-column", "seen_at", "--entity", "ip", "--vector", "avg(port)")
    component = "cluster_assets.components.ClusteringPipeline"
    project.run("-m", "dagster_dg_cli.cli", "scaffold", "defs", component, "attackers", *flags)
    written = project.root / "src" / "threats" / "defs" / "attackers" / "defs.yaml"
    first_line = written.read_text().splitlines()[0]
    schema = written.parent / first_line.removeprefix("# yaml-language-server: $schema=")
    assert schema.resolve() == (project.root / "src" / "threats" / "defs" / "pipeline.schema.json").resolve()
    assert json.loads(schema.read_text())["required"] == ["type", "attributes"]
    document = yaml.safe_load(written.read_text())
    document["attributes"]["algorithm"]["min_samples"] = 3
    written.write_text(yaml.safe_dump(document))
    (project.root / ".env").write_text("CLUSTER_DEFS=src/threats/defs\n")

    listed = json.loads(project.run("-m", "dagster_dg_cli.cli", "list", "defs", "--json"))
    assert "attackers/clusters" in json.dumps(listed)
    project.run("-m", "cluster_assets", "run", "attackers", "--day", DAY)
    project.run(
        "-m", "cluster_assets", "export", "attackers", "clusters", "--day", DAY, "--output", "clusters.csv"
    )

    with (project.root / "clusters.csv").open(newline="") as file:
        labels = {row["entity"]: int(row["cluster"]) for row in csv.DictReader(file)}
    entities = sorted(labels)
    means = [np.mean([port for ip, port in rows if ip == entity]) for entity in entities]
    expected = DBSCAN(eps=1.0, min_samples=3).fit_predict(np.array(means)[:, None])
    ours = [labels[entity] for entity in entities]
    assert len({*zip(ours, expected, strict=True)}) == len(set(ours)) == len(set(expected)) > 2
    assert (project.root / ".cluster" / "warehouse").is_dir(), "local data is in that project"
    packages = next((project.root / "venv").glob("lib/python*/site-packages"))
    assert list(packages.glob("lambda_worker/kernel/kernel-*.so")), "the kernel is compiled on first use"
