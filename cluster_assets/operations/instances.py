"""Dagster's instance on this machine: its settings in CLUSTER_HOME/dagster, and its databases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
import yaml

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import SpecError
from cluster_assets.project import package_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.settings import Settings

CODE_LOCATION = "cluster_assets"
"""The name of the code location, as in `[tool.dagster]` of pyproject.toml."""

EVENTS_PER_WRITE = "1000"
_FILE = "dagster.yaml"
_HEADER = "# Written by cluster-assets ({digest}). A file that you edit is left as it is.\n"
_UNCAPTURED = {
    "module": "dagster._core.storage.noop_compute_log_manager",
    "class": "NoOpComputeLogManager",
}


def has_instance(settings: Settings) -> bool:
    """Return whether there is an instance already: in CLUSTER_HOME, or where DAGSTER_HOME says.

    Raises:
        SpecError: As `prepare_home`.
    """
    return _is_home_set() or settings.dagster_dir.exists()


def prepare_home(settings: Settings) -> None:
    """Set DAGSTER_HOME to the instance in CLUSTER_HOME, unless it is already set; empty counts as unset.

    The settings of the instance are written from the project's `dagster.yaml`, unless a user has edited them.

    Raises:
        SpecError: DAGSTER_HOME is set to something other than the absolute path of a folder.
    """
    settings.make_home()
    home = settings.dagster_dir
    path = home / _FILE
    if not path.exists() or _is_generated(path.read_text(encoding="utf-8")):
        _write(path, _config(settings))
    if not _is_home_set():
        os.environ["DAGSTER_HOME"] = str(home)
    # Write events in batches: a third of the overhead on SQLite.
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_PER_WRITE)


def prepare_command(settings: Settings) -> None:
    """Like `prepare_home`, for commands whose steps write to the terminal directly.

    To capture a step's output, Dagster mirrors each stream through two processes. They delay the output, and
    each prints a traceback on Ctrl-C. All other settings are the same, so the UI shows the runs.
    """
    home = settings.dagster_dir / "commands"
    is_set = _is_home_set()
    prepare_home(settings)
    config = yaml.safe_load((settings.dagster_dir / _FILE).read_text(encoding="utf-8")) or {}
    _write(home / _FILE, config | {"compute_logs": _UNCAPTURED})
    if not is_set:
        os.environ["DAGSTER_HOME"] = str(home)


def prepare_instance(settings: Settings) -> None:
    """Create missing databases of Dagster; two processes that create them concurrently corrupt them."""
    prepare_command(settings)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()
        instance.get_asset_keys()
        instance.all_instigator_state()


def _is_home_set() -> bool:
    """Return whether DAGSTER_HOME is set, after a check of its value."""
    home = os.environ.get("DAGSTER_HOME", "")
    if home and not (Path(home).is_absolute() and Path(home).is_dir()):
        raise SpecError(
            f"DAGSTER_HOME is not the absolute path of a folder: {home}",
            where="environment variable DAGSTER_HOME",
            remedy="create the folder, or unset DAGSTER_HOME: the default is a folder in CLUSTER_HOME",
        )
    return bool(home)


def _config(settings: Settings) -> dict[str, Any]:
    """Return the project's settings with the folders and the parallel runs of this machine."""
    home = settings.dagster_dir
    config: dict[str, Any] = yaml.safe_load(package_file(_FILE).read_text(encoding="utf-8"))
    # The file in the project folder is for commands without DAGSTER_HOME and for the default home. It may
    # name another storage.
    if "sqlite" in config["storage"]:
        config["storage"]["sqlite"]["base_dir"] = str(home)
    if config["compute_logs"]["class"] == "LocalComputeLogManager":
        config["compute_logs"]["config"]["base_dir"] = str(home / "storage")
    config["concurrency"]["runs"] = {"max_concurrent_runs": settings.parallel_runs}
    return config


def _write(path: Path, config: Mapping[str, Any]) -> None:
    body = yaml.safe_dump(dict(config))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{_FILE}.{uuid4().hex}")
    draft.write_text(_header_of(body) + body, encoding="utf-8")
    draft.replace(path)


def _is_generated(text: str) -> bool:
    """Return whether a file is as this module wrote it."""
    header, _, body = text.partition("\n")
    return f"{header}\n" == _header_of(body)


def _header_of(body: str) -> str:
    return _HEADER.format(digest=digest_of({"settings": body})[:16])
