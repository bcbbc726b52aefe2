"""Published pointers as small JSON files, replaced atomically under a lock."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.backends.local.locks import LOCK_WAIT_SECONDS, locked
from cluster_assets.backends.local.store import flush_folder
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import Day, check_name, parse_day
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import IntegrityError, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping


class LocalCatalog:
    """A `Catalog` in a local folder: `<pipeline>/<stage>/day=D.json`.

    Readers need no lock: they see the file from before or after a flip. Writers of one stage take turns, so
    that the version of a day never decreases.

    Args:
        root: The folder; created on the first write.
        lock_wait_seconds: How long a flip waits for the lock.
    """

    def __init__(self, root: Path, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        self._root = Path(os.path.realpath(root))
        self._lock_wait_seconds = lock_wait_seconds

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """Return the published pointer; None if the day was never published.

        Raises:
            IntegrityError: The pointer file is not one of ours.
        """
        return _read(self._folder(pipeline, stage) / f"{day.prefix}.json")

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        """Publish a manifest atomically and durably.

        Returns:
            True if readers now see `pointer`; False if a later version was already published.

        Raises:
            IntegrityError: The pointer file is not one of ours, or names another manifest as this version.
            ConflictError: Another process held the lock the whole time.
        """
        folder = self._folder(pipeline, stage)
        path = folder / f"{day.prefix}.json"
        with locked(folder, self._lock_wait_seconds):
            published = _read(path)
            if published is not None and published.version >= pointer.version:
                return pointer.is_published(published, str(path))
            _replace(path, pointer)
        return True

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        """Return all published days, ascending."""
        folder = self._folder(pipeline, stage)
        names = (path.name for path in folder.glob("day=*.json")) if folder.is_dir() else iter(())
        return tuple(sorted(day for name in names if (day := _day_of(name)) is not None))

    def pointers(self, pipeline: str, stage: str) -> Mapping[Day, Pointer]:
        """Return the published pointers of all days, ascending.

        Raises:
            IntegrityError: As `current`.
        """
        found = {day: self.current(pipeline, stage, day) for day in self.days(pipeline, stage)}
        return {day: pointer for day, pointer in found.items() if pointer is not None}

    def pipelines(self) -> tuple[str, ...]:
        """Return the names of the pipelines with published clusters, sorted."""
        found = {path.parents[1].name for path in self._root.glob("*/clusters/day=*.json")}
        return tuple(sorted(found))

    def remove(self, pipeline: str) -> None:
        """Remove the pointers of all days of a pipeline.

        Raises:
            ConflictError: Another process held the lock of a stage the whole time.
        """
        folder = self._root / check_name(pipeline)
        for stage in sorted(folder.iterdir()) if folder.is_dir() else ():
            with locked(stage, self._lock_wait_seconds):
                for path in sorted(stage.glob("day=*.json")):
                    path.unlink()
                flush_folder(stage)

    def _folder(self, pipeline: str, stage: str) -> Path:
        return self._root / check_name(pipeline) / check_name(stage)


def _read(path: Path) -> Pointer | None:
    try:
        body = json.loads(path.read_bytes())
        return Pointer(manifest_key=str(body["manifest_key"]), version=int(body["version"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"not a published pointer: {error}",
            where=str(path),
            remedy="remove this file and run the day again: its committed manifests are found and published",
        ) from error


def _replace(path: Path, pointer: Pointer) -> None:
    # A fixed name suffices: only the lock holder writes, and a leftover of a killed one is overwritten.
    temporary = path.with_suffix(".tmp")
    body = canonical_json({"manifest_key": pointer.manifest_key, "version": pointer.version})
    with temporary.open("wb") as stream:
        stream.write(body.encode())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    for folder in path.parents[:3]:  # stage, pipeline, root: the first flip creates them
        flush_folder(folder)


def _day_of(name: str) -> Day | None:
    try:
        return parse_day(name.removeprefix("day=").removesuffix(".json"))
    except SpecError:
        return None
