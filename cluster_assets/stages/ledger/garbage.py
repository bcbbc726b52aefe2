"""Garbage collection: removes files that no manifest refers to once they are old enough."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.stages.ledger.layout import ManifestKey, StageDay, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.backends.stored import Pointer, StoredObject
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest

# An attempt that wrote within the last hour may still be running, regardless of the retention: an
# invocation takes 15 minutes at most, and an Athena query 30 minutes by default.
WRITING_GRACE = dt.timedelta(hours=1)
_PARALLEL_READS = 16


@dataclass(frozen=True, slots=True)
class Collection:
    """The objects that a collection removed, or would remove.

    Attributes:
        removed: Manifests and files, in the order of their removal.
        kept_days: Days that were skipped because their state is not understood, with the reason.
        leftovers: Number of temporary objects that were also removed.
    """

    removed: tuple[StoredObject, ...]
    kept_days: Mapping[str, str]
    leftovers: int
    dry_run: bool

    @property
    def objects(self) -> int:
        """Number of objects in `removed`."""
        return len(self.removed)

    @property
    def manifests(self) -> int:
        """Number of superseded manifests in `removed`."""
        return sum(isinstance(parse_key(found.key), ManifestKey) for found in self.removed)

    @property
    def bytes(self) -> int:
        """Total size of `removed` in bytes."""
        return sum(found.bytes for found in self.removed)


@dataclass(slots=True)
class _Found:
    """The objects of one day of a stage that a listing found."""

    manifests: dict[int, StoredObject] = field(default_factory=dict)
    attempts: defaultdict[str, list[StoredObject]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Ages:
    """Only objects last modified before these times may be removed.

    Attributes:
        superseded: For manifests, and for files of attempts that were committed.
        unfinished: For files of attempts that were never committed, as far as known.
    """

    superseded: dt.datetime
    unfinished: dt.datetime


def collect(
    store: ObjectStore,
    catalog: Catalog,
    kept: frozenset[str] = frozenset(),
    *,
    retention: dt.timedelta,
    now: dt.datetime,
    dry_run: bool = False,
) -> Collection:
    """Remove superseded manifests, their files, and the files of attempts that never committed.

    The following are kept: the published manifest of each day and every later one; the versions from
    which the published clusters of the day were computed; a manifest whose successor is younger than
    `retention`, because readers may still use it; every file that a kept manifest names; the files in
    `kept`; and attempts whose newest file is younger than `retention` or an hour. Manifests are removed
    before their files, so that an interrupted collection leaves orphans for the next one and never a
    broken day.

    Args:
        store: Holds data and manifests.
        catalog: Holds the published pointers.
        kept: Keys of files that others than manifests refer to.
        retention: Must be longer than any run or read takes.
        now: The time from which ages are computed.
        dry_run: Report what would be removed without removing it.

    Raises:
        SpecError: The retention is negative.
    """
    if retention < dt.timedelta(0):
        raise SpecError(f"a retention of {retention} is negative", remedy="give 0 or more days")
    ages = _Ages(now - retention, now - max(retention, WRITING_GRACE))
    removed: list[StoredObject] = []
    kept_days: dict[str, str] = {}
    days = _survey(store)
    published = _Published(catalog)
    for place, found in _unsettled(store, days):
        try:
            garbage = _garbage(store, published, place, found, ages)
        except IntegrityError as error:
            kept_days[str(place)] = str(error)
            continue
        garbage = [gone for gone in garbage if gone.key not in kept]
        if not dry_run:
            store.delete(gone.key for gone in garbage)
        removed += garbage
    leftovers = 0 if dry_run else store.sweep(ages.unfinished)
    return Collection(tuple(removed), kept_days, leftovers, dry_run)


def _survey(store: ObjectStore) -> Mapping[StageDay, _Found]:
    days: defaultdict[StageDay, _Found] = defaultdict(_Found)
    for stored in store.list(""):
        key = parse_key(stored.key)
        if isinstance(key, ManifestKey):
            days[key.place].manifests[key.version] = stored
        elif key is not None:
            days[key.place].attempts[key.attempt].append(stored)
    return days


def _unsettled(store: ObjectStore, days: Mapping[StageDay, _Found]) -> Iterator[tuple[StageDay, _Found]]:
    """Yield the days that have several versions, or a file that their only version does not name."""
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        settled = pool.map(partial(_is_settled, store), days.values())
        yield from (item for item, skip in zip(days.items(), settled, strict=True) if not skip)


def _is_settled(store: ObjectStore, found: _Found) -> bool:
    if len(found.manifests) != 1:
        return False
    (stored,) = found.manifests.values()
    files = [file for objects in found.attempts.values() for file in objects]
    try:
        body = store.read(stored.key) if files else b""
    except FileNotFoundError:
        return False
    # Looking for the keys in the text takes a tenth of the time of reading the manifest.
    return all(f'"{file.key}"'.encode() in body for file in files)


class _Published:
    """The published pointers; those of a stage are listed once, and later than the files in the store."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._listed: dict[tuple[str, str], Mapping[Day, Pointer] | None] = {}

    def pointer(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """Return the published pointer of a day.

        Raises:
            IntegrityError: It is damaged.
        """
        if (pipeline, stage) not in self._listed:
            try:
                self._listed[pipeline, stage] = self._catalog.pointers(pipeline, stage)
            except IntegrityError:  # of one day: the others are looked up one by one
                self._listed[pipeline, stage] = None
        listed = self._listed[pipeline, stage]
        return self._catalog.current(pipeline, stage, day) if listed is None else listed.get(day)


def _garbage(
    store: ObjectStore, published: _Published, place: StageDay, found: _Found, ages: _Ages
) -> list[StoredObject]:
    """Return the manifests that may be removed, then the files that are unreferenced without them."""
    dead = _superseded(published, place, found, ages.superseded)
    dead -= _read_through_clusters(
        store, published, place, {version: found.manifests[version] for version in dead}
    )
    live = [_read(store, found.manifests[version]) for version in sorted(found.manifests.keys() - dead)]
    finished = _attempts_of(store, [found.manifests[version] for version in dead])
    finished |= {manifest.attempt for manifest in live}
    named = {file.key for manifest in live for file in manifest.files}
    files = [
        file
        for attempt, objects in sorted(found.attempts.items())
        if max(stored.modified for stored in objects)
        < (ages.superseded if attempt in finished else ages.unfinished)
        # Records go first: a record without its result would report work as done that no longer exists.
        for file in sorted(objects, key=lambda stored: (not stored.key.endswith(".json"), stored.key))
        if file.key not in named
    ]
    return [found.manifests[version] for version in sorted(dead)] + files


def _superseded(published: _Published, place: StageDay, found: _Found, before: dt.datetime) -> set[int]:
    """Return versions below the published one whose successor was committed before a given time."""
    pointer = published.pointer(place.pipeline, place.stage, place.day)
    if pointer is None or pointer.version not in found.manifests:
        return set()  # never published, or published after the listing: every version may be needed
    versions = sorted(version for version in found.manifests if version <= pointer.version)
    return {
        version for version, successor in pairwise(versions) if found.manifests[successor].modified < before
    }


def _read_through_clusters(
    store: ObjectStore, published: _Published, place: StageDay, manifests: Mapping[int, StoredObject]
) -> set[int]:
    """Return the versions from which the day's published clusters were computed; readers use those."""
    pointer = published.pointer(place.pipeline, "clusters", place.day)
    if pointer is None or not manifests or place.stage == "clusters":
        return set()
    try:
        clusters = read_manifest(store.read(pointer.manifest_key), where=store.uri(pointer.manifest_key))
    except FileNotFoundError as error:
        raise IntegrityError("the published clusters have no manifest", where=pointer.manifest_key) from error
    wanted = clusters.inputs.get(place.stage)
    return {version for version, stored in manifests.items() if _read(store, stored).content_digest == wanted}


def _read(store: ObjectStore, stored: StoredObject) -> Manifest:
    try:
        return read_manifest(store.read(stored.key), where=store.uri(stored.key))
    except FileNotFoundError as error:
        raise IntegrityError(
            "a manifest vanished while it was looked at", where=stored.key, remedy="run gc again"
        ) from error


def _attempts_of(store: ObjectStore, manifests: Iterable[StoredObject]) -> set[str]:
    """Return the attempts known to have ended; the files of an unreadable manifest are kept longer."""
    attempts = set()
    for stored in manifests:
        try:
            attempts.add(_read(store, stored).attempt)
        except IntegrityError:
            continue
    return attempts
