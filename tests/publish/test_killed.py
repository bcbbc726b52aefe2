"""A publisher killed at any line, while a reader polls: the reader sees the old day or the new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases import Case

DAY = "2013-03-04"
KILLED = -9
KILLS = 6  # of the lines that a publication runs, at equal steps


@pytest.fixture
def publisher(case: Case) -> Iterator[subprocess.Popen[str]]:
    """Started when the environment of the case is set."""
    program = Path(__file__).with_name("dying_publisher.py")
    modules = str(program.parent.parent / "processes")
    with subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": modules},
    ) as running:
        yield running
        assert running.stdin is not None
        running.stdin.close()
        running.wait(LONGEST_S)


@pytest.mark.parametrize("kills", [KILLS, pytest.param(1000, marks=pytest.mark.long)])
def test_a_killed_publisher_leaves_a_whole_day(
    case: Case, publisher: subprocess.Popen[str], tmp_path: Path, kills: int
) -> None:
    seen: list[list[int]] = []
    stop = threading.Event()

    def poll() -> None:
        while not stop.wait(0.01):
            rows = case.read("clusters", DAY)
            if rows is not None:
                seen.append([row["cluster"] for row in rows])

    def run(die_at: int | None) -> int:
        order = {"publish": case.publish, "day": DAY, "die_at": die_at, "lines": str(tmp_path / "lines")}
        assert publisher.stdin is not None
        assert publisher.stdout is not None
        publisher.stdin.write(json.dumps(order) + "\n")
        publisher.stdin.flush()
        assert publisher.stdout.readline(), "the publisher did not start"
        return int(publisher.stdout.readline())

    case.warehouse.commit(DAY, rows=1, cluster=1)
    assert run(None) == 0
    reader = threading.Thread(target=poll)
    reader.start()
    try:
        # A replaced day runs other lines than a first one.
        case.warehouse.commit(DAY, rows=2, cluster=2)
        assert run(None) == 0
        lines = int((tmp_path / "lines").read_text())
        step = max(1, lines // kills)
        version = 2
        for die_at in range(0, lines, step):
            version += 1
            case.warehouse.commit(DAY, rows=version, cluster=version)
            assert run(die_at) == KILLED
        assert run(None) == 0
    finally:
        stop.set()
        reader.join()
    assert [row["cluster"] for row in case.read("clusters", DAY) or ()] == [version] * version
    # A version has as many rows as its number: each reading was of one version, and none came again.
    assert all(rows == [rows[0]] * rows[0] for rows in seen)
    assert [rows[0] for rows in seen] == sorted(rows[0] for rows in seen)
    assert version > 2 + KILLS // 2
