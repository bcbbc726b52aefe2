"""A pipeline that runs in this process, without Dagster: for tests of many small days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.composition import open_backend
from cluster_assets.domain.partitions import parse_day
from cluster_assets.pipeline_spec import PipelineSpec
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger
from cluster_assets.stages.stage import DayJob, run_day
from cluster_assets.stages.way import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from cluster_assets.backend import Backend
    from cluster_assets.stages.stage import DayResult


class Runner:
    """Runs days of a spec and reads their tables."""

    def __init__(self, backend: Backend, spec: PipelineSpec) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)

    def run(self, day: str, *, force: bool = False) -> dict[str, DayResult]:
        job = DayJob(self.spec, self.backend, self.ledger, parse_day(day), force=force)
        return {stage.name: run_day(stage, job) for stage in STAGES}

    def table(self, name: str, day: str) -> pd.DataFrame:
        stage = "points" if name == "members" else name
        manifest = self.ledger.require(stage, parse_day(day))
        uris = list(self.ledger.uris(manifest, name))
        if not uris:
            columns = ", ".join(f'NULL AS "{c.name}"' for c in manifest.tables[name].columns)
            return duckdb.sql(f"SELECT {columns} WHERE false").df()
        return duckdb.sql(f"SELECT * FROM read_parquet({uris}) ORDER BY ALL").df()


@pytest.fixture
def runner(home: Path) -> Iterator[Callable[..., Runner]]:
    """Makes a runner of a spec; all runners of a test share a backend."""
    with open_backend(load_settings()) as backend:

        def make(**attributes: Any) -> Runner:
            base: dict[str, Any] = {
                "name": "demo",
                "start_date": "2026-01-01",
                "entity": "id",
                "algorithm": {"type": "dbscan", "min_samples": 3},
            }
            return Runner(backend, PipelineSpec.model_validate(base | attributes))

        yield make
