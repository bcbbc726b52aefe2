"""Fixtures that every area of the tests uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from athena_lake import Lake
    from ministack_server import Ministack, MinistackStorage

    Command = Callable[..., subprocess.CompletedProcess[str]]

PROJECT = Path(__file__).resolve().parent.parent
# Modules that tests of several areas share; the Athena wire server is a package beside its tests.
sys.path[:0] = [str(PROJECT / "tests" / folder) for folder in ("aws", "processes", "references")]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trino", action="store_true", help="start a Trino server and run what needs one")
    parser.addoption(
        "--backfill", action="store_true", help="backfill all days of the real data from a browser"
    )
    parser.addoption("--trino-at", metavar="HOST:PORT", help="with --trino: a server that runs already")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Suites of their own, as `make test-trino` is, are not collected here, rather than skipped."""
    tests = PROJECT / "tests"
    if collection_path == tests / "trino" and not config.option.trino:
        return True
    if collection_path == tests / "browser" / "test_backfill.py" and not config.option.backfill:
        return True
    return None


@pytest.fixture(scope="session")
def trino_server(pytestconfig: pytest.Config) -> Iterator[tuple[str, int]]:
    """Host and port of a server that lives as long as the tests do."""
    if running := pytestconfig.getoption("trino_at"):
        host, _, port = running.rpartition(":")
        yield host, int(port)
        return
    with subprocess.Popen(
        [sys.executable, str(PROJECT / "tests" / "trino" / "server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        told = server.stdout.readline()
        assert told, "the server did not start; it says above why"
        address = json.loads(told)
        yield address["host"], address["port"]
        server.stdin.close()  # which it takes as a sign to stop
        server.wait(timeout=60)


@pytest.fixture(scope="session")
def athena_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """S3 and Glue by moto, Athena by the wire server; they live as long as the tests do."""
    from athena_lake import open_lake  # only where it is asked for: it brings boto3

    with open_lake(tmp_path_factory.mktemp("athena")) as lake:
        yield lake


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """An emulator of AWS from the environment that `make deploy-venv` makes."""
    from ministack_server import open_ministack  # only where it is asked for, as above

    venv = PROJECT / os.environ.get("MINISTACK_VENV", ".venv-ministack")
    assert (venv / "bin" / "ministack").exists(), f"there is no {venv}: make deploy-venv makes it"
    with open_ministack(venv, tmp_path_factory.mktemp("ministack") / "home") as server:
        yield server


@pytest.fixture(scope="session")
def ministack_storage(ministack: Ministack) -> MinistackStorage:
    """Stores and catalogs on it."""
    from ministack_server import MinistackStorage  # as above

    return MinistackStorage(ministack)


@pytest.fixture
def athena_lake(athena_servers: Lake) -> Iterator[Lake]:
    """The servers, with nothing left over from other tests."""
    athena_servers.wire.reset()
    yield athena_servers
    athena_servers.wire.reset()


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
