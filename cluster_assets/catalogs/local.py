"""Published pointers as small JSON files, replaced atomically under a lock."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import ConflictError, IntegrityError, SpecError
from cluster_assets.domain.partitions import Day, check_name, parse_day
from cluster_assets.ports import Pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

# A flip takes about a millisecond: whoever waits this long waits for a stopped process.
LOCK_WAIT_SECONDS = 30.0
_LOCK_POLL_SECONDS = 0.005


class LocalCatalog:
    """A `Catalog` in a folder of this machine: `<pipeline>/<stage>/day=D.json`.

    Readers never lock: they see the file of before or after a flip. Writers of one stage take turns,
    so that a day's version never goes back.

    Args:
        root: The folder; made when first written to.
        lock_wait_seconds: How long a flip waits for another one.
    """

    def __init__(self, root: Path, *, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> None:
        self._root = Path(os.path.realpath(root))
        self._lock_wait_seconds = lock_wait_seconds

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """The published pointer, or None when the day was never published.

        Raises:
            IntegrityError: The pointer file is not one of ours.
        """
        return _read(self._folder(pipeline, stage) / f"{day.prefix}.json")

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        """Publish a manifest atomically and for good.

        Returns:
            True when `pointer` is what readers see now; False when a later version was there already.

        Raises:
            IntegrityError: The pointer file is not one of ours, or names another manifest as this version.
            ConflictError: Another process held the lock all the time.
        """
        folder = self._folder(pipeline, stage)
        path = folder / f"{day.prefix}.json"
        with self._lock(folder):
            published = _read(path)
            if published is not None and published.version >= pointer.version:
                return _is_published(pointer, published, path)
            _replace(path, pointer)
        return True

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        """All published days, ascending."""
        folder = self._folder(pipeline, stage)
        names = (path.name for path in folder.glob("day=*.json")) if folder.is_dir() else iter(())
        return tuple(sorted(day for name in names if (day := _day_of(name)) is not None))

    def _folder(self, pipeline: str, stage: str) -> Path:
        return self._root / check_name(pipeline) / check_name(stage)

    @contextmanager
    def _lock(self, folder: Path) -> Iterator[None]:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("ab") as stream:
            self._wait_for(stream.fileno(), folder)
            try:
                yield
            finally:
                # Said aloud, because a child forked meanwhile may hold a copy of the descriptor.
                fcntl.flock(stream, fcntl.LOCK_UN)

    def _wait_for(self, descriptor: int, folder: Path) -> None:
        deadline = time.monotonic() + self._lock_wait_seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ConflictError(
                        f"another process has held the lock for {self._lock_wait_seconds:g} s",
                        where=str(folder / ".lock"),
                        remedy="end the stopped run that holds it (`fuser` names it), then run again",
                    ) from error
                time.sleep(_LOCK_POLL_SECONDS)
            else:
                return


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


def _is_published(pointer: Pointer, published: Pointer, path: Path) -> bool:
    if published.version == pointer.version and published != pointer:
        raise IntegrityError(
            f"version {pointer.version} is {published.manifest_key}, not {pointer.manifest_key}",
            where=str(path),
            remedy="recompute the day with --force",
        )
    return published == pointer


def _replace(path: Path, pointer: Pointer) -> None:
    # One fixed name is enough: only the holder of the lock writes, and a killed one's is overwritten.
    temporary = path.with_suffix(".tmp")
    body = canonical_json({"manifest_key": pointer.manifest_key, "version": pointer.version})
    with temporary.open("wb") as stream:
        stream.write(body.encode())
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    for folder in path.parents[:3]:  # stage, pipeline, root: a first flip makes them all
        _flush(folder)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _day_of(name: str) -> Day | None:
    try:
        return parse_day(name.removeprefix("day=").removesuffix(".json"))
    except SpecError:
        return None
