"""Backfills: only missing and stale days, in parallel; failures and interrupts do not harm other days."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.domain.days import Day, days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.backfills import BackfillOptions, backfill_days, days_to_run, runs_of
from cluster_assets.operations.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cluster_assets.operations.progress import StageEvent

pytestmark = pytest.mark.long

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-05")))
ATTRIBUTES: dict[str, Any] = {
    "name": "visits",
    "start_date": "2026-01-01",
    "entity": "id",
    "features": {"vector": ["max(x)"]},
    "distance": {"metric": "euclidean", "threshold": 1},
    "algorithm": {"type": "dbscan", "min_samples": 2},
}


@pytest.fixture(autouse=True)
def no_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`prepare_home` sets it for the process; a test must not leave its own behind."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    for day in DAYS:
        write_day(folder, day)
    return folder


@pytest.fixture
def spec(lake: Path, defs_folder: Path) -> PipelineSpec:
    raw = {"files": f"{lake}/day=*/*.parquet", "partition_column": "day"}
    path = defs_folder / "visits" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump({"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw}}))
    return load_pipeline(path)


def write_day(lake: Path, day: Day, value: str = "i % 3", rows: int = 6) -> None:
    folder = lake / day.prefix
    folder.mkdir(parents=True, exist_ok=True)
    query = f"SELECT 'e' || i AS id, ({value})::DOUBLE AS x FROM range({rows}) AS t(i)"
    duckdb.execute(f"COPY ({query}) TO '{folder}/rows.parquet' (FORMAT parquet)")


def published(stage: str = "clusters") -> dict[Day, int]:
    """How often each published day was computed."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "visits")
    return {day: len(list(ledger.history(stage, day))) for day in ledger.days(stage)}


def wanted(spec: PipelineSpec, only: Any) -> list[Day]:
    return list(days_to_run(spec, DAYS, load_settings(), BackfillOptions(only)))


@given(
    st.sets(st.integers(0, 60)).map(sorted),
    st.integers(1, 40),
    st.integers(1, 5),
)
def test_runs_hold_each_day_once_in_consecutive_ranges(
    numbers: list[int], days_per_run: int, parallel: int
) -> None:
    calendar = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-03-31")))
    days = tuple(calendar[number] for number in numbers)
    runs = list(runs_of(days, days_per_run, parallel))
    assert tuple(day for run in runs for day in run) == days
    for run in runs:
        assert 1 <= len(run) <= days_per_run
        assert tuple(days_between(run[0], run[-1])) == run


class InterruptAfterChanges:
    """Presses Ctrl-C when the first stage ends of the days that are run again."""

    def __init__(self) -> None:
        self.expected = 0

    def expect(self, days: Sequence[Day]) -> None:
        self.expected += 1

    def show(self, event: StageEvent) -> None:
        if self.expected == 2:
            self.expected = 0
            raise KeyboardInterrupt


def test_missing_then_stale_days(spec: PipelineSpec, lake: Path) -> None:
    settings = load_settings()
    assert wanted(spec, "missing") == list(DAYS)
    told: list[Day] = []
    report = backfill_days(
        spec, DAYS, settings, BackfillOptions(days_per_run=2, parallel=2), lambda day: told.append(day.day)
    )
    assert report.ok
    assert report.done == DAYS
    assert sorted(told) == list(DAYS)
    assert published() == dict.fromkeys(DAYS, 1)

    assert wanted(spec, "stale") == wanted(spec, "missing") == []
    write_day(lake, DAYS[2], rows=9)
    (lake / DAYS[4].prefix / "rows.parquet").unlink()
    assert wanted(spec, "missing") == [DAYS[4]], "a day without a source is run, so that its run tells"
    assert wanted(spec, "stale") == [DAYS[2], DAYS[4]]
    write_day(lake, DAYS[4])
    report = backfill_days(spec, DAYS, settings, BackfillOptions(), listener=InterruptAfterChanges())
    assert report.done == (DAYS[2],)
    assert report.left == DAYS[3:], "the days after it, whose lineage looks back"
    report = backfill_days(spec, DAYS, settings, BackfillOptions())
    assert report.ok
    assert report.skipped[:3] == DAYS[:3]
    assert published()[DAYS[2]] == 2
    assert wanted(spec, "stale") == []
    assert wanted(spec.model_copy(update={"on_invalid": "exclude"}), "stale") == list(DAYS)


def test_failed_days_leave_the_others(
    spec: PipelineSpec, lake: Path, cluster_assets: Callable[..., Any]
) -> None:
    write_day(lake, DAYS[1], value="'NaN'")
    (lake / DAYS[4].prefix / "rows.parquet").write_bytes(b"PAR1 broken PAR1")
    span = ("--from", DAYS[0].key, "--to", DAYS[-1].key)
    done = cluster_assets("backfill", "visits", *span, fails=True)
    assert done.returncode == 1
    assert "3 days computed, 0 up to date, 2 failed" in done.stderr
    assert f"{DAYS[1]} failed: " in done.stderr
    assert "on_invalid: exclude" in done.stderr
    assert f"{DAYS[4]} failed: " in done.stderr
    good = {day for day in DAYS if day not in (DAYS[1], DAYS[4])}
    assert published() == dict.fromkeys(good, 1)
    write_day(lake, DAYS[1])
    write_day(lake, DAYS[4])
    listed = cluster_assets("backfill", "visits", *span, "--dry-run")
    assert listed.stdout.split() == [DAYS[1].key, DAYS[4].key]
    done = cluster_assets("backfill", "visits", *span)
    assert "0 failed" in done.stderr
    assert published() == dict.fromkeys(DAYS, 1)


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).with_name("cluster-assets")), "backfill", "visits"]
    command += ["--from", DAYS[0].key, "--to", DAYS[-1].key, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    children = listed.read_text().split() if listed.exists() else []
    # Threads start the workers: their children are listed below each.
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        children += (task / "children").read_text().split()
    return sorted({int(child) for child in children})


@contextmanager
def clusters_held() -> Iterator[None]:
    """No clusters are published meanwhile: runs wait for the lock."""
    _, catalog = open_storage(load_settings())
    assert isinstance(catalog, LocalCatalog)
    lock = catalog._folder("visits", "clusters") / ".lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def wait_for_points(process: subprocess.Popen[str], days: int) -> None:
    def are_there() -> bool:
        assert process.poll() is None, process.communicate()[1]
        return len(published("points")) >= days

    wait_for(f"the points of {days} days", are_there)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_it_cleanly(spec: PipelineSpec, number: signal.Signals) -> None:
    materialize_days(spec, DAYS[:1], load_settings(), force=False)
    with clusters_held():
        process = start("--days-per-run", "1", "--parallel", "2")
        wait_for_points(process, 2)
        workers = workers_of(process)
        assert workers
        os.kill(process.pid, number)
        _, said = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 128 + number, said
    assert said.splitlines()[-1].startswith(("interrupted: ", "terminated: ")), said
    assert " left (" in said.splitlines()[-1]
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    assert published() == {DAYS[0]: 1}
    report = backfill_days(spec, DAYS, load_settings())
    assert report.ok
    assert published() == dict.fromkeys(DAYS, 1)


def test_a_killed_worker_costs_its_days_alone(spec: PipelineSpec) -> None:
    with clusters_held():
        process = start("--days-per-run", "2")
        wait_for_points(process, 1)
        os.kill(workers_of(process)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 1, said
    assert "failed: the process that ran it ended with status -9" in said
    assert len(published()) == len(DAYS) - 2
    assert backfill_days(spec, DAYS, load_settings()).ok
    assert set(published()) == set(DAYS)


def test_a_spec_passes_to_a_worker_as_it_is() -> None:
    for algorithm in (
        {"type": "hdbscan", "min_cluster_size": 3},
        {
            "sklearn": {
                "class": "sklearn.cluster.AffinityPropagation",
                "params": {"damping": 0.7, "random_state": 0},
            }
        },
        {"type": "agglomerative", "linkage": "average"},
    ):
        raw = {"files": "data/*.parquet", "time_column": "at", "columns": {"x": "double"}}
        spec = PipelineSpec.model_validate(
            ATTRIBUTES | {"raw": raw, "algorithm": algorithm, "publish": ["json"]}
        )
        assert PipelineSpec.model_validate(spec.model_dump(mode="json", by_alias=True)) == spec
