"""Finds the Python that compiles and tests the layer: the same minor version as Lambda's runtime."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deploy.layer.errors import LayerError

VARIABLE = "LAYER_PYTHON"
# The newest Lambda runtime for which every locked wheel exists. The Makefile reads it from this line.
PYTHON = "3.13"
_REPORT = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name, sys.executable)"


def find_interpreter(python: str = PYTHON) -> Path:
    """Return the interpreter named by `LAYER_PYTHON`; by default this one or one on the search path.

    Args:
        python: The required minor version.

    Raises:
        LayerError: None of them is CPython of that version.
    """
    named = os.environ.get(VARIABLE)
    candidates = (named,) if named else (sys.executable, f"python{python}")
    for candidate in candidates:
        version, _, executable = _report(candidate, python).partition(" cpython ")
        if version == python:
            return Path(executable)
    raise LayerError(
        f"{' and '.join(candidates)} are not CPython {python}, and bytecode is of one minor version",
        remedy=f"install it (pyenv install {python}, uv python install {python}) or set {VARIABLE}",
    )


def _report(executable: str, python: str) -> str:
    # A pyenv shim runs the version in this variable; other interpreters ignore it.
    environment = os.environ | {"PYENV_VERSION": python}
    command = [executable, "-I", "-S", "-c", _REPORT]
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter of the search path or of the environment
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
