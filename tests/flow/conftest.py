"""A pipeline that runs in this process, without Dagster: for tests of many small days.

What they assert is about the stages up to `clusters`, where they stop; among the long tests they are once
more, and every day of theirs goes the whole way.
"""

from __future__ import annotations

from dataclasses import replace
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
from cluster_assets.stages.sequence import STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pandas as pd

    from cluster_assets.backends.ports import Backend, Invoker
    from cluster_assets.spec.pipeline import Limits
    from cluster_assets.stages.day.job import DayResult


class Runner:
    """Runs days of a spec, as far as the stage `until`, and reads their tables."""

    def __init__(self, backend: Backend, spec: PipelineSpec, until: str) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)
        self._until = until

    def run(self, day: str, *, force: bool = False, until: str | None = None) -> dict[str, DayResult]:
        job = DayJob(self.spec, self.backend, self.ledger, parse_day(day), force=force)
        stages = STAGES[: STAGE_NAMES.index(until or self._until) + 1]
        return {stage.name: run_day(stage, job) for stage in stages}

    def table(self, name: str, day: str) -> pd.DataFrame:
        stage = "points" if name == "members" else name
        manifest = self.ledger.require(stage, parse_day(day))
        uris = list(self.ledger.uris(manifest, name))
        if not uris:
            columns = ", ".join(f'NULL AS "{c.name}"' for c in manifest.tables[name].columns)
            return duckdb.sql(f"SELECT {columns} WHERE false").df()
        return duckdb.sql(f"SELECT * FROM read_parquet({uris}) ORDER BY ALL").df()


@pytest.fixture(params=["clusters", pytest.param(STAGE_NAMES[-1], marks=pytest.mark.long)])
def until(request: pytest.FixtureRequest) -> str:
    """The last stage of the days of a test."""
    stage: str = request.param
    return stage


@pytest.fixture(scope="session")
def warm_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Limits], Invoker]]:
    """Worker processes that outlive a test; they know no CLUSTER_HOME."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(tmp_path_factory.mktemp("workers")))
        settings = load_settings()
    with open_backend(settings) as backend:
        yield backend.invoker_for


@pytest.fixture
def backend(home: Path, warm_workers: Callable[[Limits], Invoker]) -> Iterator[Backend]:
    """The parts that all runners of a test share."""
    with open_backend(load_settings()) as opened:
        yield replace(opened, invoker_for=warm_workers)


@pytest.fixture
def runner(backend: Backend, until: str) -> Callable[..., Runner]:
    """Makes a runner of a spec."""

    def make(**attributes: Any) -> Runner:
        base: dict[str, Any] = {
            "name": "demo",
            "start_date": "2026-01-01",
            "entity": "id",
            "algorithm": {"type": "dbscan", "min_samples": 3},
        }
        return Runner(backend, PipelineSpec.model_validate(base | attributes), until)

    return make
