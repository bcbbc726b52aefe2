"""Unpacks the built archives and imports them as Lambda would."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.layer.processors import Processor

_PROGRAM = Path(__file__).with_name("trial_program.py")
_RUNS = 5
GOALS = {"forest": 0.3, "sklearn": 1.3, "serving": 0.3}  # CPU seconds for importing, in a fresh process


def runs_here(processor: Processor) -> bool:
    """Whether this machine can run the shared objects of a processor."""
    return sys.platform == "linux" and platform.machine() == processor.machine


def try_archives(layer: Path, function: Path, interpreter: Path, trials: Sequence[str]) -> list[str]:
    """Import and run the contents of two archives, with nothing else on the import path.

    Args:
        layer: The layer for this machine's processor.
        function: The function.
        interpreter: A Python of Lambda's version.
        trials: What to try, see `trial_program`.

    Returns:
        Report lines: import times and the number of imported modules.

    Raises:
        LayerError: A module fails, a result is wrong, or the forest path imports something heavy.
    """
    with tempfile.TemporaryDirectory() as folder:
        for archive, name in ((layer, "opt"), (function, "task")):
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(Path(folder) / name)
        paths = [f"{folder}/task", f"{folder}/opt/python"]
        lines = []
        for trial in trials:
            if trial == "modules":
                lines.append(_imported_modules(run_trial(trial, paths, interpreter)))
                continue
            seconds = [run_trial(trial, paths, interpreter)["seconds"] for _ in range(_RUNS)]
            lines.append(import_times(trial, seconds))
        return lines


def _imported_modules(found: dict[str, Any]) -> str:
    absent = ", ".join(sorted(set(found["optional"].values())))
    return (
        f"{found['modules'] - len(found['optional'])} of {found['modules']} modules import; "
        f"the others need packages that are not shipped: {absent}"
    )


def import_times(path: str, seconds: list[float]) -> str:
    """Return one line with the CPU seconds of an import in fresh processes and the goal."""
    verdict = "met" if median(seconds) <= GOALS[path] else "missed"
    return (
        f"import of the {path} path, {len(seconds)} processes: processor median {median(seconds):.3f} s "
        f"(least {min(seconds):.3f}), goal {GOALS[path]} s: {verdict}"
    )


def run_trial(trial: str, paths: list[str], interpreter: Path) -> dict[str, Any]:
    """Run one trial in a separate process.

    Args:
        trial: Its name in `trial_program`.
        paths: Folders of the import path.
        interpreter: A Python of Lambda's version.

    Returns:
        The results of the trial.

    Raises:
        LayerError: The trial failed or found an error.
    """
    command = [str(interpreter), "-I", "-S", "-B", str(_PROGRAM), trial, *paths]
    done = subprocess.run(  # noqa: S603 - our program
        command, env={"OPENBLAS_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LayerError(f"the {trial} trial failed:\n{done.stderr.strip()[-2000:]}", where=str(interpreter))
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if found["wrong"]:
        raise LayerError(f"the {trial} trial found:\n  " + "\n  ".join(found["wrong"][:40]))
    if found.get("heavy"):
        raise LayerError(f"the {trial} path imports {', '.join(found['heavy'])}", remedy="import it lazily")
    return found
