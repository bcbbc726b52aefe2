"""Ctrl-C and SIGTERM: one line, the exit status that shells expect, and days that are whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_storage
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

FIRST, LAST = "2013-03-04", "2013-03-07"
DAYS = tuple(days_between(parse_day(FIRST), parse_day(LAST)))
BOTH = pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
# The program signals its whole process group, as a terminal does, with its own first line: a moment that no
# busy machine can miss. A test may be run by a shell that ignores SIGINT, and programs inherit that.
START = """
import os, signal, sys
for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, {handler})
def signal_after_a_line(stream):
    write = stream.write
    def write_and_signal(text):
        written = write(text)
        if "\\n" in text:
            stream.write = write
            os.killpg(0, {number})
        return written
    stream.write = write_and_signal
signal_after_a_line({stream})
from cluster_assets.cli import commands, run_command
from cluster_assets.cli.demo import demo
run_command({command})
"""
DEFAULT = "signal.default_int_handler if one == signal.SIGINT else signal.SIG_DFL"


def interrupted(
    number: signal.Signals, *arguments: str, command: str = "commands", stream: str = "sys.stderr"
) -> tuple[int, list[str]]:
    """Run a command that is signalled when it writes its first line; its exit status and its lines."""
    return _run(START.format(command=command, handler=DEFAULT, number=int(number), stream=stream), arguments)


def _run(program: str, arguments: tuple[str, ...]) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=PROJECT_ROOT,
        start_new_session=True,
        check=False,
        timeout=300,
    )
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def lake(home: Path) -> Path:
    write_sample(SampleConfig(output=home / "lake", first_day=DAYS[0], days=len(DAYS), entities=200))
    return home


def told(lines: list[str]) -> list[str]:
    """Lines that report neither a day nor a check: some may be finished before the signal arrives."""
    return [line for line in lines if not line.startswith(("2013-", "warning: "))]


def assert_whole(pipeline: str) -> None:
    ledger = Ledger(*open_storage(load_settings()), pipeline)
    assert len(ledger.days("report")) < len(DAYS), "everything was done before the signal"
    for stage in STAGE_NAMES:
        for day in ledger.days(stage):
            ledger.require(stage, day)  # the manifest and all its files


@BOTH
@pytest.mark.usefixtures("lake")
def test_run_ends_with_one_line(number: signal.Signals, word: str) -> None:
    status, lines = interrupted(number, "run", "attackers", "--day", FIRST, "--to", LAST)
    assert status == 128 + number, "\n".join(lines)
    assert [line.split(":")[0] for line in told(lines)] == [word]
    assert_whole("attackers")


@pytest.mark.usefixtures("home")
def test_the_demo_ends_with_one_line() -> None:
    status, lines = interrupted(signal.SIGINT, "--first", FIRST, "--last", LAST, command="demo")
    assert status == 128 + signal.SIGINT, "\n".join(lines)
    assert [line.split(":")[0] for line in told(lines)] == ["source", "interrupted"]
    assert_whole("attackers")


@pytest.mark.usefixtures("home")
def test_doctor_ends_with_one_line() -> None:
    status, lines = interrupted(signal.SIGTERM, "doctor", stream="sys.stdout")
    assert status == 128 + signal.SIGTERM, "\n".join(lines)
    assert [line.split()[0] for line in lines] == ["ok", "terminated"]


@pytest.mark.usefixtures("lake")
def test_a_command_in_the_background_of_a_shell_keeps_ignoring_ctrl_c() -> None:
    program = START.format(
        command="commands", handler="signal.SIG_IGN", number=int(signal.SIGINT), stream="sys.stdout"
    )
    status, lines = _run(program, ("doctor",))
    assert status == 0, "\n".join(lines)
    assert lines[-1].endswith("checks passed")
