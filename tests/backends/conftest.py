"""Every engine behind `ports.SqlEngine`; a new one is one more function here."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot

from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.ports import FileRelation, Statement

sys.path.insert(0, str(Path(__file__).parent))  # what several tests share are modules beside them

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster_assets.backends.ports import Relation, SqlEngine

    Opener = Callable[[pytest.FixtureRequest, Path], AbstractContextManager[SqlEngine]]


@dataclass
class Bench:
    """An engine with a folder for its inputs."""

    engine: SqlEngine
    folder: Path

    def parquet(self, query: str, name: str = "rows.parquet") -> FileRelation:
        """A Parquet file of a DuckDB query."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return FileRelation((str(path),))

    def statement(self, text: str, *, order_sensitive: bool = False) -> Statement:
        """A statement in the Athena dialect."""
        return Statement("test", sqlglot.parse_one(text, read="athena"), order_sensitive)

    def one(self, text: str, **relations: Relation) -> Any:
        """The single value a query gives."""
        rows = self.engine.fetch(self.statement(text), relations).rows
        assert len(rows) == 1
        return next(iter(rows[0].values()))


def open_duckdb(request: pytest.FixtureRequest, folder: Path) -> AbstractContextManager[SqlEngine]:
    return DuckDbEngine(DuckDbConfig(2, 512, folder / "tmp"))


def open_warehouse(request: pytest.FixtureRequest, folder: Path) -> AbstractContextManager[SqlEngine]:
    """DuckDB as a target opens it, its folders known beforehand: it keeps scratch tables in itself."""
    return DuckDbEngine(DuckDbConfig(2, 512, folder / "tmp", allowed_dirs=(folder,)))


def open_trino(request: pytest.FixtureRequest, folder: Path) -> AbstractContextManager[SqlEngine]:
    # Here, so that the other tests need no client of Trino.
    from cluster_assets.backends.trino.engine import TrinoConfig, TrinoEngine

    host, port = request.getfixturevalue("trino_server")
    config = TrinoConfig(host, port, scratch_schema=request.getfixturevalue("trino_schema"))
    footers = DuckDbEngine(DuckDbConfig(1, 256, folder / "tmp"))
    request.addfinalizer(footers.close)
    return TrinoEngine(config, footers)


@contextmanager
def open_athena(request: pytest.FixtureRequest, folder: Path) -> Iterator[SqlEngine]:
    # Here, so that the other tests need no client of AWS.
    from athena_paths import AthenaOnPaths

    lake = request.getfixturevalue("athena_lake")
    lake.wire.statements.files_per_write = 1
    yield AthenaOnPaths(lake.shared_engine, lake)


ENGINES: dict[str, Opener] = {
    "duckdb": open_duckdb,
    "duckdb of a warehouse": open_warehouse,
    "athena": open_athena,
    "trino": open_trino,
}
# Engines that need an option of their own, by name: `make test` runs without them.
ON_REQUEST = {"trino"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract suite on every engine; the other files are about DuckDB."""
    if "bench" in metafunc.fixturenames:
        asked = [name for name in ENGINES if name not in ON_REQUEST or metafunc.config.getoption(name)]
        suite = metafunc.definition.path.name == "test_engine_contract.py"
        metafunc.parametrize("bench", asked if suite else ["duckdb"], indirect=True)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with ENGINES[request.param](request, tmp_path) as engine:
        yield Bench(engine, tmp_path / "in")
