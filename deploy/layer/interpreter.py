"""Finds the Python that compiles and tries the layer: the same minor version as Lambda's runtime."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.layer.errors import LayerError

VARIABLE = "LAYER_PYTHON"
# Bytecode is of one minor version. 3.13 is the newest Lambda runtime for which every wheel of the lock and an
# interpreter of the development machines exist; `--python` takes another.
DEFAULT_PYTHON = "3.13"
_HOMES = (
    "~/.pyenv/versions/{python}*/bin/python{python}",
    "~/.local/share/uv/python/*{python}*/bin/python{python}",
)
_REPORT = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"


def find_interpreter(python: str) -> Path:
    """The first interpreter of a version: `LAYER_PYTHON`, this one, the search path, pyenv's, uv's.

    Args:
        python: The minor version, such as `3.13`.

    Raises:
        LayerError: There is none, or `LAYER_PYTHON` is of another version.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not _is_version(named, python):
            raise LayerError(f"{VARIABLE} is not CPython {python}: {named}", remedy=f"name a python{python}")
        return Path(named)
    candidates = [sys.executable, shutil.which(f"python{python}")]
    for pattern in _HOMES:
        path = Path(pattern.format(python=python)).expanduser()
        candidates += [
            str(found) for found in sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        ]
    for candidate in candidates:
        if candidate and _is_version(candidate, python):
            return Path(candidate)
    raise LayerError(
        f"there is no CPython {python} on this machine, and bytecode is of one minor version",
        remedy=f"install it (pyenv install {python}, uv python install {python}) or set {VARIABLE}",
    )


def _is_version(executable: str, python: str) -> bool:
    """Asked of the interpreter itself: a pyenv shim exists for versions that it then refuses."""
    command = [executable, "-I", "-S", "-c", _REPORT]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split() == [python, "cpython"]
