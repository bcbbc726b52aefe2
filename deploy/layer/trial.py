"""Unpacks the archives that were built and imports them as Lambda would."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from deploy.layer.processors import Processor

_PROGRAM = Path(__file__).with_name("trial_program.py")
_RUNS = 5
GOALS = {"forest": 0.3, "sklearn": 1.3}  # seconds of importing, in a fresh process
_IMPORT_TIME = re.compile(r"^import time: +(\d+) \| +\d+ \|( *)(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ImportTimes:
    """What one import took in fresh processes.

    Attributes:
        path: Which path of the worker.
        processor: Seconds of the processor, one a process. The goal is about these: with nothing else to do
            the clock shows the same, and on a busy machine several times as much.
        clock: Seconds by the clock.
        importtime: Seconds that `-X importtime` adds up to.
        modules: Modules imported.
    """

    path: str
    processor: tuple[float, ...]
    clock: tuple[float, ...]
    importtime: float
    modules: int

    def __str__(self) -> str:
        """One line: medians and least values against the goal."""
        goal = GOALS[self.path]
        verdict = "met" if median(self.processor) <= goal else "missed"
        return (
            f"import of the {self.path} path, {self.modules} modules, {len(self.clock)} processes: "
            f"processor median {median(self.processor):.3f} s (least {min(self.processor):.3f}), "
            f"goal {goal} s: {verdict}; "
            f"clock median {median(self.clock):.3f} s (least {min(self.clock):.3f}); "
            f"-X importtime {self.importtime:.3f} s"
        )


def runs_here(processor: Processor) -> bool:
    """Whether this machine can run the shared objects of a processor."""
    return sys.platform == "linux" and platform.machine() == processor.machine


def try_archives(layer: Path, function: Path, interpreter: Path) -> list[str]:
    """Import and run what two archives hold, with nothing else on the import path.

    Args:
        layer: The layer for this machine's processor.
        function: The function.
        interpreter: Of Lambda's version.

    Returns:
        Lines for people: import times, and how many modules import.

    Raises:
        LayerError: A module fails, a result is wrong, or the forest path imports something heavy.
    """
    with tempfile.TemporaryDirectory() as folder:
        for archive, name in ((layer, "opt"), (function, "task")):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(Path(folder) / name)
        paths = [f"{folder}/task", f"{folder}/opt/python"]
        lines = []
        for path in GOALS:
            runs = [run_trial(path, paths, interpreter)[0] for _ in range(_RUNS)]
            _, report = run_trial(path, paths, interpreter, "-X", "importtime")
            selfs = [int(found[0]) for found in _IMPORT_TIME.findall(report)]
            processor, clock = zip(*(run["times"] for run in runs), strict=True)
            lines.append(str(ImportTimes(path, processor, clock, sum(selfs) / 1e6, len(selfs))))
        found, _ = run_trial("modules", paths, interpreter)
        absent = ", ".join(sorted(set(found["optional"].values())))
        lines.append(
            f"{found['modules'] - len(found['optional'])} of {found['modules']} modules import; "
            f"the others want packages nobody ships here: {absent}"
        )
        return lines


def run_trial(trial: str, paths: list[str], interpreter: Path, *options: str) -> tuple[dict[str, Any], str]:
    """Run one trial in a process of its own.

    Args:
        trial: `forest`, `sklearn` or `modules`, see `trial_program`.
        paths: Folders that make up the import path.
        interpreter: Of Lambda's version.
        options: Further options of the interpreter.

    Returns:
        What the trial found, and its standard error.

    Raises:
        LayerError: It failed or found something wrong.
    """
    command = [str(interpreter), "-I", "-S", "-B", *options, str(_PROGRAM), trial, *paths]
    done = subprocess.run(  # noqa: S603 - our program
        command, env={"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LayerError(f"the {trial} trial failed:\n{done.stderr.strip()[-2000:]}", where=str(interpreter))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["wrong"]:
        raise LayerError(f"the {trial} trial found:\n  " + "\n  ".join(found["wrong"][:40]))
    if found.get("heavy"):
        raise LayerError(f"the forest path imports {', '.join(found['heavy'])}", remedy="import it lazily")
    return found, done.stderr
