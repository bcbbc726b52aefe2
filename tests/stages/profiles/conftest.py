"""Days that run from source rows to profiles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.stage import ClustersStage
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.lineage.stage import LineageStage
from cluster_assets.stages.points.stage import PointsStage
from cluster_assets.stages.profiles.stage import ProfilesStage
from cluster_assets.stages.raw.stage import RawStage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from cluster_assets.backends.ports import Backend
    from cluster_assets.stages.day.job import DayResult

sys.path.insert(0, str(Path(__file__).parent))  # clustered_points is a module beside the tests

WAY = (RawStage(), PointsStage(), CandidatesStage(), ClustersStage(), LineageStage(), ProfilesStage())
_TABLES = {"members": "points", "cluster_features": "profiles"}


class Days:
    """Runs days of a pipeline and reads their tables."""

    def __init__(self, backend: Backend, spec: PipelineSpec) -> None:
        self.spec = spec
        self.backend = backend
        self.ledger = Ledger(backend.store, backend.catalog, spec.name)

    def run(self, day: str, *, force: bool = False) -> dict[str, DayResult]:
        job = DayJob(self.spec, self.backend, self.ledger, parse_day(day), force=force)
        return {stage.name: run_day(stage, job) for stage in WAY}

    def table(self, name: str, day: str) -> pd.DataFrame:
        manifest = self.ledger.require(_TABLES.get(name, name), parse_day(day))
        uris = list(self.ledger.uris(manifest, name))
        if not uris:
            columns = ", ".join(f'NULL AS "{c.name}"' for c in manifest.tables[name].columns)
            return duckdb.sql(f"SELECT {columns} WHERE false").df()
        order = ", ".join(["cluster", "kind", "rank"] if name == "cluster_features" else ["ALL"])
        return duckdb.sql(
            f"SELECT * FROM read_parquet({uris}, hive_partitioning = false) ORDER BY {order}"
        ).df()


@pytest.fixture
def days(home: Path) -> Iterator[Callable[..., Days]]:
    """Makes the days of a spec; all of a test share a backend."""
    with open_backend(load_settings()) as backend:

        def make(**attributes: Any) -> Days:
            base: dict[str, Any] = {
                "name": "demo",
                "start_date": "2026-01-01",
                "entity": "id",
                "algorithm": {"type": "dbscan", "min_samples": 3},
            }
            return Days(backend, PipelineSpec.model_validate(base | attributes))

        yield make
