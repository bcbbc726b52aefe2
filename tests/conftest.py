"""Fixtures that every area of the tests uses."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from waiting import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import dagster as dg
    from athena_lake import Lake
    from ministack_server import Ministack, MinistackStorage

    Command = Callable[..., subprocess.CompletedProcess[str]]

PROJECT = Path(__file__).resolve().parent.parent

# How long an example takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A failure belongs to the change that it is seen with; CLUSTER_TEST_EXAMPLES=new looks for others.
settings.register_profile("same examples", settings.get_profile("any machine"), derandomize=True)
settings.load_profile("any machine" if os.environ.get("CLUSTER_TEST_EXAMPLES") == "new" else "same examples")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--trino", action="store_true", help="start a Trino server and run what needs one")
    parser.addoption(
        "--browser", action="store_true", help="drive Dagster's UI and the API's page with Chromium"
    )
    parser.addoption("--trino-at", metavar="HOST:PORT", help="with --trino: a server that runs already")


def pytest_collection_finish() -> None:
    """Exempt what the imports made from garbage collection, which took a seventh of the time of the suite."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure() -> None:
    gc.unfreeze()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Suites of their own, as `make test-trino` is, are not collected here, rather than skipped."""
    tests = PROJECT / "tests"
    suites = {tests / "backends" / "trino": config.option.trino, tests / "browser": config.option.browser}
    return True if suites.get(collection_path) is False else None


@contextmanager
def open_trino() -> Iterator[str]:
    """HOST:PORT of a server of our own."""
    with subprocess.Popen(
        [sys.executable, str(PROJECT / "tests" / "backends" / "trino" / "server.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        told = server.stdout.readline()
        assert told, "the server did not start; it says above why"
        address = json.loads(told)
        yield f"{address['host']}:{address['port']}"
        server.stdin.close()  # which it takes as a sign to stop
        server.wait(timeout=LONGEST_S)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Share one Trino server among the workers of xdist: a second one would start and warm up again."""
    option = node.config.option
    if option.trino and not option.trino_at:
        servers = ExitStack()
        option.trino_at = servers.enter_context(open_trino())
        node.config.add_cleanup(servers.close)
    node.workerinput["trino_at"] = option.trino_at


@pytest.fixture(scope="session")
def trino_server(pytestconfig: pytest.Config) -> Iterator[tuple[str, int]]:
    """Host and port of a server that lives as long as the tests do."""
    shared: str | None = getattr(pytestconfig, "workerinput", {}).get("trino_at")
    running = shared or pytestconfig.option.trino_at
    with nullcontext(running) if running else open_trino() as address:
        host, _, port = address.rpartition(":")
        yield host, int(port)


@pytest.fixture(scope="session")
def trino_schema() -> str:
    """The schema for scratch tables of this worker."""
    return f"cluster_scratch_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(scope="session")
def aws_models() -> Iterator[None]:
    """The SDK parses its descriptions of the services once, not in each of a hundred sessions."""
    from botocore.loaders import JSONFileLoader  # only where it is asked for: it takes a while

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield


@pytest.fixture(scope="session")
def athena_servers(aws_models: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    """S3 and Glue by moto, Athena by the wire server; they live as long as the tests do."""
    from athena_lake import open_lake  # only where it is asked for: it brings boto3

    with open_lake(tmp_path_factory.mktemp("athena")) as lake:
        yield lake


@pytest.fixture(scope="session")
def ministack(aws_models: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
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
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of the fresh CLUSTER_HOME."""
    import dagster as dg  # only where it is asked for: they take a second

    from cluster_assets.operations.instances import prepare_home
    from cluster_assets.settings import load_settings

    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    prepare_home(load_settings())
    with dg.DagsterInstance.get() as found:
        yield found


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
            timeout=LONGEST_S,
        )
        said = f"$ cluster-assets {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) == fails, said
        return done

    return run
