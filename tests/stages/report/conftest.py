"""Days of small pipelines of every kind, run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Backend
    from cluster_assets.stages.day.job import DayResult


class Days:
    """Runs days of a pipeline and reads what they published."""

    def __init__(self, backend: Backend, spec: PipelineSpec) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)

    def job(self, day: str, *, force: bool = False) -> DayJob:
        return DayJob(self.spec, self.backend, self.ledger, parse_day(day), force=force)

    def run(self, day: str, *, force: bool = False) -> dict[str, DayResult]:
        job = self.job(day, force=force)
        return {stage.name: run_day(stage, job) for stage in STAGES}

    def document(self, day: str, name: str) -> bytes:
        manifest = self.ledger.require("report", parse_day(day))
        return self.backend.store.read(manifest.documents[name].key)

    def rows(self, stage: str, day: str, query: str) -> list[tuple[Any, ...]]:
        """What a query finds in the main table of a stage, there called `t`."""
        uris = list(self.ledger.uris(self.ledger.require(stage, parse_day(day)), stage))
        with duckdb.connect() as connection:
            connection.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet({uris})")
            return connection.execute(query).fetchall()


@pytest.fixture
def days_of(home: Path, tmp_path: Path) -> Iterator[Callable[..., Days]]:
    """Makes a pipeline over the rows of a query; its columns are id, day and what features need."""
    with open_backend(load_settings()) as backend:

        def make(query: str, **attributes: Any) -> Days:
            with duckdb.connect() as connection:
                connection.execute(f"COPY ({query}) TO '{tmp_path}/rows.parquet' (FORMAT parquet)")
            base: dict[str, Any] = {
                "name": "demo",
                "start_date": "2026-01-01",
                "raw": {"files": f"{tmp_path}/rows.parquet", "partition_column": "day"},
                "entity": "id",
                "algorithm": {"type": "dbscan", "min_samples": 3},
            }
            return Days(backend, PipelineSpec.model_validate(base | attributes))

        yield make
