"""Garbage collection: removes what no manifest refers to, and only after it has aged."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.domain.partitions import check_name
from cluster_assets.stages.layout import ManifestKey, StageDay, parse_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.ports import Catalog, ObjectStore, StoredObject

# An attempt that wrote within the last hour may still be running, whatever the retention: an
# invocation takes 15 minutes at most, an Athena query 30 minutes by default.
WRITING_GRACE = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection removed, or would remove.

    Attributes:
        removed: Manifests and files, in the order of their removal.
        kept_days: Days left alone because their state is not understood, with the reason.
        leftovers: Temporary objects removed beside.
    """

    removed: tuple[StoredObject, ...]
    kept_days: Mapping[str, str]
    leftovers: int
    dry_run: bool

    @property
    def objects(self) -> int:
        """How many there are in `removed`."""
        return len(self.removed)

    @property
    def manifests(self) -> int:
        """How many of them are superseded manifests."""
        return sum(isinstance(parse_key(found.key), ManifestKey) for found in self.removed)

    @property
    def bytes(self) -> int:
        """Bytes of everything in `removed`."""
        return sum(found.bytes for found in self.removed)


@dataclass(slots=True)
class _Found:
    """What a listing shows of one day of a stage."""

    manifests: dict[int, StoredObject] = field(default_factory=dict)
    attempts: defaultdict[str, list[StoredObject]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class _Ages:
    """Only what was last modified before these times may go.

    Attributes:
        superseded: For manifests, and for files of attempts that were committed.
        unfinished: For files of attempts that were never committed, as far as is known.
    """

    superseded: dt.datetime
    unfinished: dt.datetime


def collect(
    store: ObjectStore,
    catalog: Catalog,
    pipelines: Iterable[str] | None = None,
    *,
    retention: dt.timedelta,
    now: dt.datetime,
    dry_run: bool = False,
) -> Collection:
    """Remove superseded manifests, their files, and the files of attempts that never committed.

    Kept are: the published manifest of each day and every later one; what the published clusters of
    the day were made from; a manifest whose successor is younger than `retention`, since somebody may
    still read it; each file a kept manifest names; and
    attempts whose newest file is younger than `retention` or an hour. Manifests go before their
    files, so that a collection killed midway leaves orphans for the next one, never a broken day.

    Args:
        store: Where data and manifests lie.
        catalog: Says which manifests are published.
        pipelines: Names of the pipelines to look at, by default all in the store.
        retention: Longer than any run takes and any reader reads.
        now: The time ages are counted to.
        dry_run: Only say what would go.

    Raises:
        SpecError: The retention is negative, or a pipeline is no name.
    """
    if retention < dt.timedelta(0):
        raise SpecError(f"a retention of {retention} is negative", remedy="give 0 or more days")
    ages = _Ages(now - retention, now - max(retention, WRITING_GRACE))
    removed: list[StoredObject] = []
    kept_days: dict[str, str] = {}
    prefixes = [""] if pipelines is None else [f"{check_name(pipeline)}/" for pipeline in pipelines]
    for prefix in prefixes:
        for place, found in _survey(store, prefix).items():
            try:
                garbage = _garbage(store, catalog, place, found, ages)
            except IntegrityError as error:
                kept_days[str(place)] = str(error)
                continue
            if not dry_run:
                store.delete(gone.key for gone in garbage)
            removed += garbage
    leftovers = 0 if dry_run else store.sweep(ages.unfinished)
    return Collection(tuple(removed), kept_days, leftovers, dry_run)


def _survey(store: ObjectStore, prefix: str) -> Mapping[StageDay, _Found]:
    days: defaultdict[StageDay, _Found] = defaultdict(_Found)
    for stored in store.list(prefix):
        key = parse_key(stored.key)
        if isinstance(key, ManifestKey):
            days[key.place].manifests[key.version] = stored
        elif key is not None:
            days[key.place].attempts[key.attempt].append(stored)
    return days


def _garbage(
    store: ObjectStore, catalog: Catalog, place: StageDay, found: _Found, ages: _Ages
) -> list[StoredObject]:
    """Manifests that may go, then the files that nothing refers to without them."""
    dead = _superseded(catalog, place, found, ages.superseded)
    dead -= _read_through_clusters(
        store, catalog, place, {version: found.manifests[version] for version in dead}
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
        # Records first: one without its result would answer for work that is gone.
        for file in sorted(objects, key=lambda stored: (not stored.key.endswith(".json"), stored.key))
        if file.key not in named
    ]
    return [found.manifests[version] for version in sorted(dead)] + files


def _superseded(catalog: Catalog, place: StageDay, found: _Found, before: dt.datetime) -> set[int]:
    """Versions below the published one whose successor was committed before a time."""
    pointer = catalog.current(place.pipeline, place.stage, place.day)
    if pointer is None or pointer.version not in found.manifests:
        return set()  # never published, or published since the listing: all of it may be needed
    versions = sorted(version for version in found.manifests if version <= pointer.version)
    return {
        version for version, successor in pairwise(versions) if found.manifests[successor].modified < before
    }


def _read_through_clusters(
    store: ObjectStore, catalog: Catalog, place: StageDay, manifests: Mapping[int, StoredObject]
) -> set[int]:
    """Versions that the published clusters of the day were made from; readers go through those."""
    pointer = catalog.current(place.pipeline, "clusters", place.day)
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
    """Attempts that are known to have ended; an unreadable manifest only makes its files wait longer."""
    attempts = set()
    for stored in manifests:
        try:
            attempts.add(_read(store, stored).attempt)
        except IntegrityError:
            continue
    return attempts
