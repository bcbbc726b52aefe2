"""Each part fails in each stage: nothing is published, and the next run ends as without the fault."""

from __future__ import annotations

import errno
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import EngineError, WorkerCrashedError
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.sequence import STAGES
from cluster_assets.stages.worker.dispatch import MOST_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster_assets.backends.ports import Backend
    from tests.flow.conftest import Runner

DAY = "2026-01-05"


class Failing:
    """A part of the backend whose listed calls fail.

    Args:
        part: The real part, which answers all other calls.
        error: Raised by the calls.
        calls: Their names.
    """

    def __init__(self, part: Any, error: Exception, *calls: str) -> None:
        self._part = part
        self._error = error
        self._calls = calls
        self.failures = 0

    def __getattr__(self, name: str) -> Any:
        return self._fail if name in self._calls else getattr(self._part, name)

    def _fail(self, *_: Any, **__: Any) -> Any:
        self.failures += 1
        raise self._error


def engine(backend: Backend) -> tuple[Backend, Failing]:
    failing = Failing(backend.engine, EngineError("out of order", remedy="wait"), "fetch", "unload")
    return replace(backend, engine=failing), failing


def full_store(backend: Backend) -> tuple[Backend, Failing]:
    failing = Failing(backend.store, OSError(errno.ENOSPC, "No space left on device"), "put_if_absent")
    return replace(backend, store=failing), failing


def catalog(backend: Backend) -> tuple[Backend, Failing]:
    failing = Failing(backend.catalog, ConnectionError("reset"), "flip")
    return replace(backend, catalog=failing), failing


def worker(backend: Backend) -> tuple[Backend, Failing]:
    """Each call ends with the death of its process: a poisoned shard."""
    failing = Failing(None, WorkerCrashedError("signal 9"), "invoke")

    def invoker_for(limits: Any) -> Any:
        failing._part = backend.invoker_for(limits)
        return failing

    return replace(backend, invoker_for=invoker_for), failing


FAULTS = (full_store, catalog, engine, worker)


@pytest.fixture
def day(runner: Callable[..., Runner], tmp_path: Path) -> Callable[[str], Runner]:
    path = tmp_path / "rows.parquet"
    duckdb.execute(
        f"COPY (SELECT TIMESTAMP '{DAY}' AS event_time, 'e' || i AS id, (i % 3 * 10 + i / 100)::DOUBLE AS x "
        f"FROM range(60) t(i)) TO '{path}' (FORMAT parquet)"
    )

    def make(name: str) -> Runner:
        return runner(
            name=name,
            raw={"files": str(path), "time_column": "event_time"},
            features={"vector": ["max(x)"]},
            distance={"metric": "euclidean", "threshold": 1.0},
        )

    return make


def contents(run: Runner) -> dict[str, str]:
    """Digests of every table of the day, without reports, which name their pipeline."""
    return {
        f"{stage.name}.{name}": table.content_digest
        for stage in STAGES
        for name, table in run.ledger.require(stage.name, parse_day(DAY)).tables.items()
    }


def job_of(run: Runner, backend: Backend, *, force: bool = False) -> DayJob:
    ledger = type(run.ledger)(backend.store, backend.catalog, run.spec.name)
    return DayJob(run.spec, backend, ledger, parse_day(DAY), force=force)


def test_a_fault_of_any_part_in_any_stage_publishes_nothing_and_the_next_run_ends_as_without_it(
    day: Callable[[str], Runner],
) -> None:
    calm, harmed = day("calm"), day("harmed")
    struck: dict[str, set[str]] = {}
    for stage in STAGES:
        run_day(stage, job_of(calm, calm.backend))
        for fault in FAULTS:
            before = harmed.ledger.current(stage.name, parse_day(DAY))
            backend, failing = fault(harmed.backend)
            try:
                run_day(stage, job_of(harmed, backend, force=True))
            except (EngineError, OSError, WorkerCrashedError):
                struck.setdefault(fault.__name__, set()).add(stage.name)
                assert harmed.ledger.current(stage.name, parse_day(DAY)) == before
                assert failing.failures >= (MOST_FAILURES if fault is worker else 1)
            else:
                assert not failing.failures, f"{stage.name} hides a fault of the {fault.__name__}"
        run_day(stage, job_of(harmed, harmed.backend))
    assert contents(harmed) == contents(calm)
    names = {stage.name for stage in STAGES}
    assert (struck["full_store"], struck["catalog"]) == (names, names)
    assert {"points", "candidates"} <= struck["engine"]
    assert "clusters" in struck["worker"]


def test_a_published_day_stays_while_its_next_version_is_poisoned(day: Callable[[str], Runner]) -> None:
    run = day("harmed")
    run.run(DAY)
    before = run.ledger.require("clusters", parse_day(DAY))
    clusters = next(stage for stage in STAGES if stage.name == "clusters")
    backend, failing = worker(run.backend)
    with pytest.raises(WorkerCrashedError):
        run_day(clusters, job_of(run, backend, force=True))
    assert failing.failures >= MOST_FAILURES
    assert run.ledger.require("clusters", parse_day(DAY)) == before
