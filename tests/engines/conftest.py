"""Every engine behind `ports.SqlEngine`; a new one is one more parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import sqlglot

from cluster_assets.engines.duckdb import DuckDbConfig, DuckDbEngine
from cluster_assets.ports import FileRelation, Statement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.ports import Relation, SqlEngine


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


@pytest.fixture(params=["duckdb"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with DuckDbEngine(DuckDbConfig(2, 512, tmp_path / "tmp")) as engine:
        yield Bench(engine, tmp_path / "in")
