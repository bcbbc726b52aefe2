"""kill -9 at any moment of a run: never half a day, and the next run gives the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import LONGEST_S

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.operations.exports import TABLES, export_table
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = pytest.mark.long
FIRST, LAST = "2013-03-04", "2013-03-05"
DAYS = tuple(days_between(parse_day(FIRST), parse_day(LAST)))


@pytest.fixture
def lake(home: Path) -> Path:
    write_sample(SampleConfig(output=home / "lake", first_day=DAYS[0], days=len(DAYS), entities=400))
    return home / "lake"


def table_digests(folder: Path) -> dict[tuple[str, str], str]:
    """SHA-256 of each exported table of each day."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    digests = {}
    for day in DAYS:
        for table in sorted(
            TABLES.keys() - {"scales", "dendrogram", "condensed_tree", "reachability"}
        ):  # this pipeline has none
            output = folder / f"{table}.parquet"
            export_table(ledger, table, day, output)
            digests[day.key, table] = hashlib.sha256(output.read_bytes()).hexdigest()
    return digests


def readable_days() -> set[str]:
    """Days a reader sees; whatever a reader sees must be whole."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    seen = set()
    for day in ledger.days("clusters"):
        clusters, members = ledger.require("clusters", day), ledger.require("points", day)
        assert clusters.tables["clusters"].rows == members.tables["members"].rows
        seen.add(day.key)
    return seen


class Runs:
    """Starts commands by a program that has Dagster loaded: what is killed is the work, not the loading."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        self._ended: queue.SimpleQueue[int] = queue.SimpleQueue()

    def end(self, *extra: str) -> None:
        """A run of both days that nobody disturbs."""
        self._start(extra, held=False)
        assert self._ended.get(timeout=LONGEST_S) == 0

    def kill(self, after: float, *extra: str) -> bool:
        """A run of both days that is killed so many seconds after its start.

        It is held before its last commits, and so cannot end first.

        Returns:
            False if it ended because it had nothing to commit.
        """
        pid = self._start(extra, held=True)
        try:
            assert self._ended.get(timeout=after) == 0
        except queue.Empty:
            os.killpg(pid, signal.SIGKILL)
            return self._ended.get(timeout=LONGEST_S) == -signal.SIGKILL
        return False

    def _start(self, extra: tuple[str, ...], *, held: bool) -> int:
        assert self._program.stdin is not None
        arguments = ["run", "attackers", "--day", FIRST, "--to", LAST, *extra]
        order = {"arguments": arguments, "environment": dict(os.environ), "held": held}
        print(json.dumps(order), file=self._program.stdin, flush=True)
        pid = self._read()
        threading.Thread(target=lambda: self._ended.put(self._read())).start()
        return pid

    def _read(self) -> int:
        assert self._program.stdout is not None
        return int(self._program.stdout.readline())


@pytest.fixture(scope="module")
def program() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("forked_commands.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()  # which it takes as a sign to stop


@pytest.fixture
def runs(home: Path, program: subprocess.Popen[str]) -> Runs:
    return Runs(program)


@pytest.mark.parametrize("moments", [2, pytest.param(10, marks=LONG)])
def test_killed_at_random_moments(lake: Path, tmp_path: Path, runs: Runs, moments: int) -> None:
    runs.end()
    clean = table_digests(tmp_path)
    began = time.monotonic()
    runs.end("--force")
    whole = time.monotonic() - began
    assert table_digests(tmp_path) == clean
    rng = random.Random(20131103)
    for _ in range(moments):
        assert runs.kill(rng.uniform(0.05, 0.95) * whole, "--force")
        assert readable_days() == {day.key for day in DAYS}
        assert table_digests(tmp_path) == clean
    runs.end()
    assert table_digests(tmp_path) == clean


@LONG
def test_killed_before_the_first_day_was_ever_published(lake: Path, tmp_path: Path, runs: Runs) -> None:
    for seconds in (1.5, 2.5, 3.5):
        runs.kill(seconds)
        readable_days()
    runs.end()
    assert readable_days() == {day.key for day in DAYS}
    survivors = table_digests(tmp_path)
    runs.end("--force")
    assert table_digests(tmp_path) == survivors


@LONG
def test_killed_while_the_source_changed(lake: Path, tmp_path: Path, runs: Runs) -> None:
    """A reader sees all tables of a day from the old source, or all from the new one."""
    states = []
    for seed in (8, 7):
        write_sample(SampleConfig(output=lake, first_day=DAYS[0], days=len(DAYS), entities=400, seed=seed))
        runs.end()
        states.append(by_day(table_digests(tmp_path)))
    assert states[0] != states[1]
    rng = random.Random(7)
    for seed in (8, 7, 8, 7, 8):
        write_sample(SampleConfig(output=lake, first_day=DAYS[0], days=len(DAYS), entities=400, seed=seed))
        runs.kill(rng.uniform(0.5, 4.0))
        for day, digests in by_day(table_digests(tmp_path)).items():
            assert digests in (states[0][day], states[1][day]), f"{day} is neither old nor new"
    runs.end()
    assert by_day(table_digests(tmp_path)) == states[0]


def by_day(digests: dict[tuple[str, str], str]) -> dict[str, dict[str, str]]:
    return {
        day.key: {table: digest for (key, table), digest in digests.items() if key == day.key} for day in DAYS
    }
