"""Two folders: the project whose pipelines run, and the files that travel with this package."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent
VARIABLE = "CLUSTER_PROJECT"
"""Environment variable that names the project folder."""
MARKERS = (".env", "pyproject.toml", "dg.toml", "workspace.yaml")
"""Files of which a project folder contains at least one."""


def in_checkout() -> bool:
    """Whether this package runs from its own source tree instead of an installed wheel."""
    return (_CHECKOUT / "sql").is_dir() and (_CHECKOUT / "pyproject.toml").is_file()


def find_project(start: Path) -> Path:
    """Find the project folder, which contains `.env` and to which relative paths refer.

    `CLUSTER_PROJECT` names it. Without the variable, it is the checkout that this package runs from. For an
    installed package, it is the nearest folder from `start` upwards with one of `MARKERS`, else `start`.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named).expanduser().resolve()
    if in_checkout():
        return _CHECKOUT
    folders = (start, *start.parents)
    return next((folder for folder in folders if any((folder / name).is_file() for name in MARKERS)), start)


def package_file(name: str) -> Path:
    """Return the path of a file or folder that is inside the package in a wheel, but beside it in a checkout.

    Example:
        >>> package_file("sql").name
        'sql'
    """
    return (_CHECKOUT if in_checkout() else _PACKAGE) / name


PROJECT_ROOT = find_project(Path.cwd())
CODE_ROOT = _PACKAGE.parent
"""Folder that holds the package `lambda_worker`: a local worker's `/var/task`."""
