"""A real Dagster daemon, killed in the middle of its ticks: each day is run once, none is lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
import yaml
from arrival_daemon import ATTRIBUTES
from waiting import LONGEST_S, wait_for

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.instances import prepare_home
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from arrival_daemon import Lake

pytestmark = pytest.mark.long

PROJECT = Path(__file__).resolve().parents[2]
FIRST, LAST = "2026-01-01", "2026-01-02"
LEASE_MINUTES = 0.05


class RealDaemon:
    """`dagster-daemon run` in a process group of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.groups: list[int] = []

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("dagster-daemon")), "run"]
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                command, cwd=PROJECT, stdout=said, stderr=said, start_new_session=True, env=os.environ
            )
        self.groups.append(self.process.pid)

    def wait_until(self, what: str, done: Callable[[], bool]) -> None:
        def is_done() -> bool:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            return done()

        wait_for(f"{what}, see {self.log}", is_done)

    def kill(self) -> None:
        """The daemon, its code server and its runs."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def kill_alone(self) -> None:
        """The daemon; runs that were launched go on."""
        self.process.kill()
        self.process.wait()

    def stop_all(self) -> None:
        for group in self.groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    prepare_home(load_settings())
    monkeypatch.setenv("DAGSTER_HOME", os.environ["DAGSTER_HOME"])
    with dg.DagsterInstance.get() as found:
        yield found


@pytest.fixture
def daemon(instance: dg.DagsterInstance, tmp_path: Path) -> Iterator[RealDaemon]:
    running = RealDaemon(tmp_path / "daemon.log")
    running.start()
    yield running
    running.stop_all()


@pytest.fixture
def pipeline(lake: Lake, defs_folder: Path) -> None:
    raw = {"files": f"{lake.folder}/day=*/*.parquet", "partition_column": "day"}
    arrivals = {"interval_s": 1, "lease_minutes": LEASE_MINUTES}
    document = {"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw, "arrivals": arrivals}}
    (defs_folder / "visits").mkdir()
    (defs_folder / "visits" / "defs.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(document))))


def test_killed_in_the_middle_of_ticks(
    pipeline: None, lake: Lake, daemon: RealDaemon, instance: dg.DagsterInstance
) -> None:
    settings = load_settings()
    store, catalog = open_storage(settings)
    ledger = Ledger(store, catalog, "visits")

    def claimed(day: str) -> bool:
        return bool(list(store.list(f"visits/_arrivals/day={day}/")))

    def runs(day: str) -> int:
        return instance.get_runs_count(dg.RunsFilter(tags={"dagster/partition": day}))

    def published(day: str) -> bool:
        return ledger.current(STAGE_NAMES[-1], parse_day(day)) is not None

    # A claim without a run: killed between the two.
    daemon.wait_until("the first tick", lambda: len(ticks(instance)) > 0)
    lake.write(FIRST)
    with runs_held():
        lake.mark(FIRST)
        daemon.wait_until("the claim of the first day", lambda: claimed(FIRST))
        daemon.kill()
    assert not runs(FIRST)
    assert not published(FIRST)

    daemon.start()
    lake.write(LAST)
    lake.mark(LAST)
    daemon.wait_until("the run of the last day", lambda: runs(LAST) == 1)
    daemon.kill_alone()  # the run is recorded; the cursor hardly

    daemon.start()
    daemon.wait_until("both days", lambda: published(FIRST) and published(LAST))
    lake.mark(FIRST)
    lake.mark(LAST)
    before = len(ticks(instance))
    daemon.wait_until("two more ticks", lambda: len(ticks(instance)) >= before + 2)
    assert [runs(FIRST), runs(LAST)] == [1, 1]
    for stage in STAGE_NAMES:
        for day in (FIRST, LAST):
            assert len(list(ledger.history(stage, parse_day(day)))) == 1


def ticks(instance: dg.DagsterInstance) -> Sequence[object]:
    states = [state for state in instance.all_instigator_state() if state.name == "visits_arrivals"]
    return [tick for one in states for tick in instance.get_ticks(one.instigator_origin_id, one.selector_id)]


@contextmanager
def runs_held() -> Iterator[None]:
    """No run is recorded meanwhile."""
    [path] = Path(os.environ["DAGSTER_HOME"]).rglob("runs.db")
    with closing(sqlite3.connect(path, timeout=LONGEST_S, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")
