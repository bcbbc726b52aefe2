"""Days that go wrong: a stage whose files are damaged before they are published."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.findings import CheckedWork
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES, STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.backends.ports import Backend, WrittenFile
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.day.findings import AuditedTable, Finding
    from cluster_assets.stages.day.job import DayResult, StageOutput
    from cluster_assets.stages.day.stage import Stage
    from cluster_assets.stages.ledger.ledger import Attempt

WAY = ("raw", "points", "candidates", "clusters")


@dataclass(frozen=True)
class SpoiledWork:
    """Computes as the stage does; then one of its tables is written over."""

    work: Any
    table: str
    query: str
    honest: bool

    @property
    def inputs(self) -> Mapping[str, str]:
        inputs: Mapping[str, str] = self.work.inputs
        return inputs

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        if isinstance(self.work, CheckedWork):
            yield from self.work.find_faults(tables, metrics)

    def compute(self, attempt: Attempt) -> StageOutput:
        output: StageOutput = self.work.compute(attempt)
        contract, files = output.tables[self.table]
        (file,) = files
        spoil(file.uri, self.query)
        written = spoiled_file(file) if self.honest else replace(file, bytes=spoiled_file(file).bytes)
        return replace(output, tables={**output.tables, self.table: (contract, (written,))})


def spoil(uri: str, query: str) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS FROM read_parquet('{uri}', hive_partitioning = false)")
        connection.execute(f"COPY ({query}) TO '{uri}' (FORMAT parquet)")


def spoiled_file(file: WrittenFile) -> WrittenFile:
    ((rows,),) = duckdb.sql(f"SELECT count(*) FROM read_parquet('{file.uri}')").fetchall()
    return replace(file, rows=rows, bytes=Path(file.uri).stat().st_size)


class Pipeline:
    """Runs days of a small pipeline, stage by stage."""

    def __init__(self, backend: Backend, lake: Path, **attributes: Any) -> None:
        base: dict[str, Any] = {
            "name": "demo",
            "start_date": "2026-01-01",
            "raw": {"files": f"{lake}/*.parquet", "time_column": "event_time"},
            "entity": "id",
            "features": {"vector": ["max(x)"]},
            "distance": {"metric": "euclidean", "threshold": 1},
            "algorithm": {"type": "dbscan", "min_samples": 2},
        }
        if "raw" in attributes:
            attributes["raw"]["files"] = f"{lake}/*.parquet"
        self.spec = PipelineSpec.model_validate(base | attributes)
        self.backend = backend
        self.lake = lake
        self.ledger = Ledger(backend.store, backend.catalog, self.spec.name)

    def write(self, day: Day, rows: int = 8, shift: float = 0.0, clusters: int = 2) -> None:
        """Entities e0, e1, … around `clusters` places, and one far from all."""
        values = ", ".join(
            f"('e{n}', {shift + 0.5 * (n // clusters) + 100.0 * (n % clusters) if n else shift + 1e4})"
            for n in range(rows)
        )
        columns = f"TIMESTAMP '{day} 12:00' AS event_time, id, x::DOUBLE AS x"
        select = f"SELECT {columns} FROM (VALUES {values}) t(id, x)"
        duckdb.execute(f"COPY ({select}) TO '{self.lake}/{day}.parquet' (FORMAT parquet)")

    def job(self, day: Day, *, force: bool = False) -> DayJob:
        return DayJob(self.spec, self.backend, self.ledger, day, force=force)

    def run(self, day: Day, *, spoiled: Stage | None = None) -> dict[str, DayResult]:
        """The way to clusters, one stage of it spoiled."""
        results = {}
        for stage in STAGES:
            if stage.name in WAY:
                chosen = spoiled if spoiled is not None and spoiled.name == stage.name else stage
                results[stage.name] = run_day(chosen, self.job(day))
        return results

    def spoiled(self, stage: str, table: str, query: str, *, honest: bool = True) -> Stage:
        """A stage of a faulty build: `query` replaces a table that it wrote, and reads it as `t`.

        With `honest`, the count is that of the current rows, else that of the original rows.
        """
        found = copy(STAGES[STAGE_NAMES.index(stage)])
        prepare = found.prepare
        vars(found)["prepare"] = lambda job: SpoiledWork(prepare(job), table, query, honest)
        return found

    def outcome(self, day: Day, stage: str, name: str) -> CheckOutcome:
        (found,) = (one for one in self.run(day)[stage].checks if one.name == name)
        return found


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Engine, stores and workers of a home of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(tmp_path_factory.mktemp("home")))
        with open_backend(load_settings()) as parts:
            yield parts


@pytest.fixture(scope="module")
def make_pipeline(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Pipeline]:
    """Makes a pipeline over a lake of its own."""
    return lambda name, **attributes: Pipeline(
        backend, tmp_path_factory.mktemp("lake"), name=name, **attributes
    )
