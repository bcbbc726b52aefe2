"""Fixtures that every area of the tests uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = Callable[..., subprocess.CompletedProcess[str]]

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data, where the environment names one."""
    folder = os.environ.get("CLUSTER_REAL_DATA")
    if not folder:
        pytest.skip("CLUSTER_REAL_DATA names no folder; the real data is not part of the project")
    return Path(folder)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh CLUSTER_HOME for this process and the commands it starts."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CLUSTER_HOME", str(folder))
    for name in ("CLUSTER_REAL_DATA", "CLUSTER_DEFS", "DAGSTER_HOME", "CLUSTER_DUCKDB_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def defs_folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh CLUSTER_DEFS."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    monkeypatch.setenv("CLUSTER_DEFS", str(folder))
    return folder


@pytest.fixture
def cluster_assets(home: Path) -> Command:
    """The installed command, as a user starts it."""
    executable = Path(sys.executable).with_name("cluster-assets")

    def run(*arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(executable), *arguments],
            capture_output=True,
            text=True,
            cwd=PROJECT,
            check=False,
            timeout=300,
        )
        said = f"$ cluster-assets {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done

    return run
