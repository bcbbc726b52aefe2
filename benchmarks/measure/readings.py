"""Readings: each in a process of its own, so that its memory is its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure.processes import MemoryWatch, Spent

if TYPE_CHECKING:
    from benchmarks.measure.options import Options

TIMEOUT_S = 900
PROJECT = Path(__file__).resolve().parents[2]
_LOOK_S = 0.03


@dataclass(frozen=True)
class Outcome:
    """What a function that takes a reading returns.

    Attributes:
        spent: Time of the measured part; imports, warm-up and input are not part of it.
        found: What it found, by name; other sides are compared where they have the same name.
        note: Shown in the table.
    """

    spent: Spent
    found: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Reading:
    """An outcome with the peak memory of the largest process and of all, in MiB."""

    cpu_s: float
    wall_s: float
    largest_mib: float
    total_mib: float
    found: dict[str, Any]
    note: str


def read(options: Options, function: str, *arguments: Any) -> Reading | None:
    """Take one reading; None if it took too long.

    Args:
        options: A small run calls the function in this process.
        function: `package.module:function`, which returns an `Outcome`.
        arguments: Of the function; JSON values.

    Raises:
        SystemExit: The function failed; the message has its last words.
    """
    if options.small:
        outcome, watch = _call(function, arguments), MemoryWatch()
        watch.look(os.getpid())
        return _reading(asdict(outcome), watch)
    command = [sys.executable, "-m", "benchmarks.measure.readings", function, json.dumps(arguments)]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        watch = MemoryWatch()
        process = subprocess.Popen(command, stdout=out, stderr=errors, cwd=PROJECT)
        try:
            code = _wait(process, watch)
        finally:
            process.kill()
        if code is None:
            return None
        errors.seek(0)
        if code != 0:
            raise SystemExit(f"{function} {arguments}: {errors.read()[-3000:]}")
        out.seek(0)
        return _reading(json.loads(out.read().splitlines()[-1]), watch)


def _wait(process: subprocess.Popen[bytes], watch: MemoryWatch) -> int | None:
    """Watch a process until it ends; None if it takes too long."""
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        watch.look(process.pid)
        try:
            return process.wait(_LOOK_S)
        except subprocess.TimeoutExpired:
            continue
    return None


def _reading(body: dict[str, Any], watch: MemoryWatch) -> Reading:
    return Reading(
        body["spent"]["cpu_s"],
        body["spent"]["wall_s"],
        watch.largest,
        watch.total,
        body["found"],
        body["note"],
    )


def _call(function: str, arguments: Any) -> Outcome:
    module, _, name = function.partition(":")
    outcome: Outcome = getattr(importlib.import_module(module), name)(*arguments)
    return outcome


if __name__ == "__main__":
    print(json.dumps(asdict(_call(sys.argv[1], json.loads(sys.argv[2])))))
