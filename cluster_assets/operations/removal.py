"""Removing a pipeline: its file, its published days, its objects in the store and its records in Dagster.

The file goes first, so that no new run starts, then the pointers, so that readers see no day, then the rest.
After a crash, the same call finds what is left by the name and continues.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import dagster as dg

from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import check_name
from cluster_assets.domain.errors import ConflictError, SpecError
from cluster_assets.opening import open_storage
from cluster_assets.operations.instances import prepare_home
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.publish import TargetName, asset_name
from cluster_assets.spec.yaml.edits import find_pipeline_file
from cluster_assets.stages.sequence import ALL_STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cluster_assets.settings import Settings

_PUBLICATIONS = {asset_name(target) for target in get_args(TargetName)}
_IN_PROGRESS = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass(frozen=True, slots=True)
class Removal:
    """What the removal of a pipeline concerns.

    Attributes:
        path: The file that defines it; None if there is none, or if it is part of the package.
        days: Number of published days by stage, stages without any left out.
        keys: Keys of its objects in the store.
        bytes: Size of these objects.
        assets: Its assets with records in Dagster.
        publications: Addresses that its newest publications were written to, by asset (`published_json`);
            their copies are left to the teams that read them.
    """

    name: str
    path: Path | None
    days: dict[str, int]
    keys: tuple[str, ...]
    bytes: int
    assets: tuple[dg.AssetKey, ...]
    publications: dict[str, str]


def find_pipeline(name: str, settings: Settings) -> Removal:
    """Look for everything that belongs to a pipeline, without changing anything.

    Raises:
        SpecError: Nothing does.
    """
    store, catalog = open_storage(settings)
    path = find_pipeline_file(check_name(name), settings.defs_dirs)
    objects = tuple(store.list(f"{name}/"))
    published = {stage: len(catalog.days(name, stage)) for stage in ALL_STAGE_NAMES}
    with _instance(settings) as instance:
        assets = tuple(key for key in instance.get_asset_keys() if key.path[0] == name)
        publications = _publications(instance, assets)
    found = Removal(
        name,
        path if path is not None and not path.is_relative_to(PACKAGED_DEFS) else None,
        {stage: days for stage, days in published.items() if days},
        tuple(found.key for found in objects),
        sum(found.bytes for found in objects),
        assets,
        publications,
    )
    if not (found.path or found.days or found.keys or found.assets):
        raise SpecError(
            f"there is nothing of a pipeline {name!r}",
            where=", ".join(str(folder) for folder in settings.defs_dirs),
            remedy="check the name; `cluster-assets doctor` lists the pipelines",
        )
    return found


def remove_pipeline(name: str, settings: Settings) -> Removal:
    """Remove a pipeline; safe to repeat after a crash.

    Raises:
        SpecError: There is nothing to remove.
        ConflictError: A run of the pipeline is in progress.
    """
    found = find_pipeline(name, settings)
    refuse_running(name, settings)
    if found.path is not None:
        found.path.unlink()
    remove_days(found, settings)
    return found


def remove_days(found: Removal, settings: Settings) -> None:
    """Remove everything of a pipeline but its file."""
    store, catalog = open_storage(settings)
    catalog.remove(found.name)
    # Manifests first, as in a garbage collection: none may name a file that is gone.
    store.delete(sorted(found.keys, key=lambda key: ("/_manifests/" not in key, key)))
    with _instance(settings) as instance:
        instance.wipe_assets(list(found.assets))


def refuse_running(name: str, settings: Settings) -> None:
    """Raise an error if a run of the pipeline is in progress.

    Raises:
        ConflictError: At least one is.
    """
    with _instance(settings) as instance:
        records = instance.get_run_records(dg.RunsFilter(statuses=_IN_PROGRESS))
    running = [record.dagster_run.run_id for record in records if _is_of(record.dagster_run, name)]
    if running:
        raise ConflictError(
            f"{counted(len(running), 'run')} of {name} in progress",
            where=f"Dagster, {', '.join(run[:8] for run in running)}",
            remedy="wait until they end, or terminate them in the UI (force, if their process is gone)",
        )


def _publications(instance: dg.DagsterInstance, assets: Iterable[dg.AssetKey]) -> dict[str, str]:
    """Return the address in the newest record of each publication, by asset."""
    found = {}
    for key in assets:
        event = instance.get_latest_materialization_event(key)
        recorded = event.asset_materialization if event is not None else None
        address = recorded.metadata.get("address") if recorded is not None else None
        # A materialization reported by hand has no address.
        if address is not None and key.path[-1] in _PUBLICATIONS:
            found[key.path[-1]] = str(address.value)
    return found


def _is_of(run: dg.DagsterRun, name: str) -> bool:
    return run.job_name == f"{name}_daily" or any(key.path[0] == name for key in run.asset_selection or ())


def _instance(settings: Settings) -> dg.DagsterInstance:
    prepare_home(settings)
    return dg.DagsterInstance.get()
