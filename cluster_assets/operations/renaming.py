"""Renaming a pipeline: its days are published under the new name, then removed under the old one.

Digests do not depend on the name, so no day is computed again. Reports show the name: they are not moved, but
drawn by the next backfill. After a crash, the same call continues: versions that are there are compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from cluster_assets.alerts.deliveries import copy_records
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import check_name
from cluster_assets.domain.errors import ConflictError, IntegrityError, SpecError
from cluster_assets.domain.manifests import DataFile, Document
from cluster_assets.opening import open_storage
from cluster_assets.operations.removal import find_pipeline, refuse_running, remove_days
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.yaml.edits import find_pipeline_file, rename_in_file
from cluster_assets.stages.ledger.layout import StageDay
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.report.stage import ReportStage
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.operations.removal import Removal
    from cluster_assets.settings import Settings

_File = TypeVar("_File", DataFile, Document)

STAGES_TO_MOVE = tuple(stage for stage in STAGE_NAMES if stage != ReportStage.name)


def check_rename(old: str, new: str, settings: Settings) -> Removal:
    """Check that a pipeline can get another name, and return what belongs to it; changes nothing.

    Raises:
        SpecError: There is no such pipeline, it is part of the package, or the name is taken or invalid.
        ConflictError: A run of either pipeline is in progress.
    """
    check_name(new)
    path = find_pipeline_file(old, settings.defs_dirs)
    if path is not None and path.is_relative_to(PACKAGED_DEFS):
        raise SpecError(
            f"{old} is a demo pipeline of the package",
            where=str(path),
            remedy="copy its file to a folder named by CLUSTER_DEFS and change the name there",
        )
    taken = find_pipeline_file(new, settings.defs_dirs)
    # Without a file of the old name, an interrupted rename has already changed it.
    if taken is not None and path is not None:
        raise SpecError(
            f"there is already a pipeline {new!r}", where=str(taken), remedy="choose another name"
        )
    if taken is None and path is None:
        raise SpecError(f"no file defines the pipeline {old!r}", remedy="check the name")
    refuse_running(old, settings)
    refuse_running(new, settings)
    return find_pipeline(old, settings)


def rename_pipeline(old: str, new: str, settings: Settings) -> None:
    """Give a pipeline another name, its published days included; safe to repeat after a crash.

    Raises:
        SpecError: As `check_rename`.
        ConflictError: As `check_rename`; or the new name has other days published.
        IntegrityError: A published file is missing; nothing was removed.
    """
    check_rename(old, new, settings)
    store, catalog = open_storage(settings)
    _copy_days(store, catalog, old, new)
    path = find_pipeline_file(old, settings.defs_dirs)
    if path is not None:
        rename_in_file(path, new)
        refuse_running(old, settings)
        _copy_days(store, catalog, old, new)  # what a run has published since
    remove_days(find_pipeline(old, settings), settings)


def _copy_days(store: ObjectStore, catalog: Catalog, old: str, new: str) -> None:
    """Publish all days of a pipeline under another name, in order of the stages, with their history."""
    ledger = Ledger(store, catalog, old)
    for stage in STAGES_TO_MOVE:
        for day in ledger.days(stage):
            current = ledger.current(stage, day)
            for manifest in _ascending(ledger, stage, current):
                _copy_version(store, manifest, new)
            if current is not None:
                key = StageDay(new, stage, day).manifest_key(current.version)
                catalog.flip(new, stage, day, Pointer(key, current.version))
    copy_records(store, old, new)


def _ascending(ledger: Ledger, stage: str, current: Manifest | None) -> Iterator[Manifest]:
    if current is not None:
        versions = list(ledger.history(stage, current.day))
        yield from (manifest for manifest in reversed(versions) if manifest.version <= current.version)


def _copy_version(store: ObjectStore, manifest: Manifest, new: str) -> None:
    """Copy a version of a day: first its files, then its manifest.

    Raises:
        IntegrityError: A file is missing.
        ConflictError: The new name has another version of this number.
    """
    head = f"{manifest.pipeline}/"
    for file in manifest.files:
        try:
            store.copy(file.key, f"{new}/{file.key.removeprefix(head)}")
        except FileNotFoundError as error:
            raise IntegrityError(
                f"a file of {manifest.stage}, {manifest.day} is missing",
                where=store.uri(file.key),
                remedy=f"run the day again: cluster-assets run {manifest.pipeline} --day {manifest.day}",
            ) from error
    key = StageDay(new, manifest.stage, manifest.day).manifest_key(manifest.version)
    renamed = _renamed(manifest, new)
    if not store.put_if_absent(key, renamed.to_json()) and store.read(key) != renamed.to_json():
        raise ConflictError(
            f"{new} has another version {manifest.version} of {manifest.stage}, {manifest.day}",
            where=store.uri(key),
            remedy=f"choose another name, or remove these days first: cluster-assets drop {new}",
        )


def _renamed(manifest: Manifest, new: str) -> Manifest:
    """Return a manifest with another name of its pipeline, in the keys of its files too."""
    head = f"{manifest.pipeline}/"

    def moved(file: _File) -> _File:
        return replace(file, key=f"{new}/{file.key.removeprefix(head)}")

    return replace(
        manifest,
        pipeline=new,
        tables={
            name: replace(table, files=tuple(map(moved, table.files)))
            for name, table in manifest.tables.items()
        },
        documents={name: moved(document) for name, document in manifest.documents.items()},
    )
