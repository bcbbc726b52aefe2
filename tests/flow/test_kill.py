"""kill -9 at any moment of a run: never half a day, and the next run gives the same bytes."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.composition import open_storage
from cluster_assets.domain.partitions import days_between, parse_day
from cluster_assets.exports import TABLES, export_table
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST, LAST = "2013-03-04", "2013-03-05"
DAYS = tuple(days_between(parse_day(FIRST), parse_day(LAST)))
MOMENTS = 10


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
        for table in sorted(TABLES.keys() - {"scales", "dendrogram"}):  # this pipeline has none
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


def start_run(*extra: str) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("cluster-assets"))]
    command += ["run", "attackers", "--day", FIRST, "--to", LAST, *extra]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=os.environ
    )


def test_killed_at_ten_random_moments(
    lake: Path, tmp_path: Path, cluster_assets: Callable[..., object]
) -> None:
    began = time.monotonic()
    cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST)
    whole = time.monotonic() - began
    clean = table_digests(tmp_path)
    rng = random.Random(20131103)
    interrupted = 0
    for _ in range(MOMENTS):
        process = start_run("--force")
        try:
            process.wait(timeout=rng.uniform(0.2, 0.95) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            interrupted += 1
        process.wait()
        assert readable_days() == {day.key for day in DAYS}
        assert table_digests(tmp_path) == clean
    assert interrupted >= MOMENTS // 2, "the runs were over before they could be killed"
    cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST)
    assert table_digests(tmp_path) == clean


def test_killed_before_the_first_day_was_ever_published(
    lake: Path, tmp_path: Path, cluster_assets: Callable[..., object]
) -> None:
    for seconds in (1.5, 2.5, 3.5):
        process = start_run()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        readable_days()
    cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST)
    assert readable_days() == {day.key for day in DAYS}
    survivors = table_digests(tmp_path)
    cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST, "--force")
    assert table_digests(tmp_path) == survivors


def test_killed_while_the_source_changed(
    lake: Path, tmp_path: Path, cluster_assets: Callable[..., object]
) -> None:
    """A reader sees all tables of a day from the old source, or all from the new one."""
    states = []
    for seed in (8, 7):
        write_sample(SampleConfig(output=lake, first_day=DAYS[0], days=len(DAYS), entities=400, seed=seed))
        cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST)
        states.append(by_day(table_digests(tmp_path)))
    assert states[0] != states[1]
    rng = random.Random(7)
    for seed in (8, 7, 8, 7, 8):
        write_sample(SampleConfig(output=lake, first_day=DAYS[0], days=len(DAYS), entities=400, seed=seed))
        process = start_run()
        try:
            process.wait(timeout=rng.uniform(1.5, 5.0))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for day, digests in by_day(table_digests(tmp_path)).items():
            assert digests in (states[0][day], states[1][day]), f"{day} is neither old nor new"
    cluster_assets("run", "attackers", "--day", FIRST, "--to", LAST)
    assert by_day(table_digests(tmp_path)) == states[0]


def by_day(digests: dict[tuple[str, str], str]) -> dict[str, dict[str, str]]:
    return {
        day.key: {table: digest for (key, table), digest in digests.items() if key == day.key} for day in DAYS
    }
