"""The ledger of a pipeline, which records the attempt that is the published result of each day.

The protocol (docs/decisions/0003-atomic-days.md): compute into a fresh attempt, make its files durable,
commit a manifest by put-if-absent, move the pointer last. If a run dies in between, the published day is
unchanged.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import replace
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation, WrittenFile
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import check_name
from cluster_assets.domain.errors import ConflictError, IntegrityError, UpstreamMissingError
from cluster_assets.domain.manifests import Manifest, read_manifest
from cluster_assets.stages.ledger.damage import refuse_damaged
from cluster_assets.stages.ledger.drafts import (
    Attempt,
    Draft,
    remove_strays,
    seal_documents,
    seal_tables,
    stored_sizes,
)
from cluster_assets.stages.ledger.layout import SCRATCH, ManifestKey, StageDay, parse_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.domain.days import Day

__all__ = ["COMMIT_TRIES", "Attempt", "Draft", "Ledger"]

# Each lost attempt means that another run committed the same day; more than a few point to a bug elsewhere.
COMMIT_TRIES = 50


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@cache
def _installed_version() -> str:
    try:
        return metadata.version("cluster-assets")
    except metadata.PackageNotFoundError:
        return "unknown"


class Ledger:
    """Reads and publishes the days of one pipeline.

    Args:
        store: Holds data files and manifests.
        catalog: Holds the published pointers.
        pipeline: Name of the pipeline.
        code_version: Recorded in manifests; the installed version by default.
        clock: Names attempts and dates manifests; no decision about versions depends on it.
    """

    def __init__(
        self,
        store: ObjectStore,
        catalog: Catalog,
        pipeline: str,
        *,
        code_version: str | None = None,
        clock: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        self.pipeline = check_name(pipeline)
        self._store = store
        self._catalog = catalog
        self._code_version = _installed_version() if code_version is None else code_version
        self._clock = clock

    @property
    def code_version(self) -> str:
        """The version that new manifests record."""
        return self._code_version

    def days(self, stage: str) -> tuple[Day, ...]:
        """Return all published days of a stage, ascending."""
        return self._catalog.days(self.pipeline, stage)

    def current(self, stage: str, day: Day) -> Manifest | None:
        """Return the manifest that readers of a day see; None if the day was never published.

        Raises:
            IntegrityError: The pointer names a manifest that is missing or unreadable.
        """
        place = self._place(stage, day)
        pointer = self._pointer(place)
        while pointer is not None:
            manifest = self._read(place, pointer.version)
            if manifest is not None:
                return manifest
            # If the version was superseded after we read the pointer, garbage collection may have removed it.
            moved = self._pointer(place)
            if moved == pointer:
                raise IntegrityError(
                    f"the published manifest of {place} is missing",
                    where=self._store.uri(pointer.manifest_key),
                    remedy=_run_again(place),
                )
            pointer = moved
        return None

    def require(self, stage: str, day: Day) -> Manifest:
        """Return the published manifest of an upstream day after checking that its files exist.

        Raises:
            UpstreamMissingError: The day was never published.
            IntegrityError: Its manifest or a file is missing, or a file has the wrong size.
        """
        place = self._place(stage, day)
        manifest = self.current(stage, day)
        if manifest is None:
            raise UpstreamMissingError(
                f"stage {stage!r} of pipeline {self.pipeline!r} has not been published for {day}",
                remedy=_run_again(place),
            )
        self.check_files(manifest)
        return manifest

    def check_files(self, manifest: Manifest) -> None:
        """Check that the files of a published manifest exist.

        Raises:
            IntegrityError: A file is missing or has the wrong size.
        """
        place = self._place(manifest.stage, manifest.day)
        damaged = self._damaged_file(place, manifest)
        if damaged is not None:
            raise IntegrityError(
                f"a published file of {place} is missing or has another size",
                where=self._store.uri(damaged),
                remedy=_run_again(place),
            )

    def history(self, stage: str, day: Day) -> Iterator[Manifest]:
        """Yield all manifests of a day, newest first.

        Raises:
            IntegrityError: One of them is unreadable.
        """
        place = self._place(stage, day)
        for version in reversed(self._versions(place)):
            manifest = self._read(place, version)
            if manifest is not None:
                yield manifest

    def find_version(self, stage: str, day: Day, content_digest: str) -> Manifest | None:
        """Return a version of a day with the given content; None if it has been removed.

        Raises:
            IntegrityError: As `find`.
        """
        return self.find(stage, day, lambda manifest: manifest.content_digest == content_digest)

    def find(self, stage: str, day: Day, matches: Callable[[Manifest], bool]) -> Manifest | None:
        """Return the published version of a day if it matches, else the newest that does, if any.

        Raises:
            IntegrityError: A manifest is unreadable.
        """
        published = self.current(stage, day)
        if published is not None and matches(published):
            return published  # without listing the versions
        return next((manifest for manifest in self.history(stage, day) if matches(manifest)), None)

    def find_reusable(self, stage: str, day: Day, input_digest: str) -> Manifest | None:
        """Publish and return the existing result for these inputs; None if the day must be computed.

        A manifest committed by a run that died before it moved the pointer counts: the pointer is moved
        now. A manifest with a missing or truncated file does not count.

        Raises:
            IntegrityError: The published manifest, or a newer one, is unreadable.
        """
        place = self._place(stage, day)
        pointer = self._pointer(place)
        published = pointer.version if pointer else 0
        for version in reversed(self._versions(place)):
            if version < published:
                break
            manifest = self._read(place, version)
            if manifest is None or manifest.input_digest != input_digest:
                continue
            if self._damaged_file(place, manifest) is None:
                if version > published:
                    self._publish_found(place, manifest)
                return manifest
        return None

    def start_attempt(self, stage: str, day: Day) -> Attempt:
        """Choose a folder for one attempt at a day, without writing to it."""
        place = self._place(stage, day)
        attempt = f"{self._clock().astimezone(dt.UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"
        pointer = self._pointer(place)
        # The pointer counts too: if its manifest was deleted by hand, the next version must still be higher.
        newest = max(*self._versions(place), pointer.version if pointer else 0, 0)
        return Attempt(attempt, self._store.uri(place.attempt(attempt)), newest)

    def discard(self, stage: str, day: Day, attempt: Attempt) -> None:
        """Remove the files of an attempt that will not be committed."""
        self._clear(self._place(stage, day), attempt, scratch_only=False)

    def commit(self, draft: Draft) -> Manifest:
        """Publish a draft, or adopt what another run has meanwhile published from the same inputs.

        Returns:
            The committed manifest, from this attempt or from the one that committed first.

        Raises:
            IntegrityError: A file of the draft is missing, has the wrong size or is not below its prefix.
            ConflictError: Other runs took every version that this one tried.
        """
        place = self._place(draft.stage, draft.day)
        ours = self._manifest(place, draft)
        newest = draft.attempt.base_version
        for _ in range(COMMIT_TRIES):
            for version in self._versions(place):
                if version <= newest:
                    continue
                newest = version
                other = self._read(place, version)
                if other is not None and self._settles(place, other, draft, ours):
                    self._publish_found(place, other)
                    self._clear(place, draft.attempt, scratch_only=other.attempt == ours.attempt)
                    return other
            ours = replace(ours, version=newest + 1)
            if self._store.put_if_absent(place.manifest_key(ours.version), ours.to_json()):
                self._flip(place, ours)
                self._clear(place, draft.attempt, scratch_only=True)
                return ours
        raise ConflictError(
            f"other runs of {place} committed {COMMIT_TRIES} versions while this one tried to",
            remedy="let one run of a day finish before the next one starts",
        )

    def uris(self, manifest: Manifest, table: str, *, verify: bool = True) -> tuple[str, ...]:
        """Return the URIs of a table's files in key order; none if the table is empty.

        Args:
            manifest: Of the day.
            table: Name of the table.
            verify: Whether the files are compared with the manifest; else their reader does it.

        Raises:
            IntegrityError: The manifest has no such table, or a file is damaged.
        """
        if table not in manifest.tables:
            raise IntegrityError(
                f"the manifest of {manifest.stage}, {manifest.day} has no table {table!r}",
                remedy="recompute the day with --force",
            )
        files = manifest.tables[table].files
        if verify:
            refuse_damaged(self._store, manifest, files)
        return tuple(self._store.uri(file.key) for file in files)

    def files(self, manifest: Manifest, table: str) -> tuple[WrittenFile, ...]:
        """Return a table's files in key order, without their partition values.

        Raises:
            IntegrityError: As `uris`.
        """
        sealed = manifest.tables[table].files
        uris = self.uris(manifest, table)
        return tuple(WrittenFile(uri, one.rows, one.bytes) for uri, one in zip(uris, sealed, strict=True))

    def relation(self, manifest: Manifest, table: str) -> FileRelation:
        """Return a table of a published day as a relation for statements.

        Raises:
            IntegrityError: As `uris`.
        """
        return FileRelation(self.uris(manifest, table), columns=manifest.tables[table].columns)

    def document_uri(self, manifest: Manifest, name: str) -> str:
        """Return the URI of a document.

        Raises:
            IntegrityError: The manifest has no such document, or it is damaged.
        """
        if name not in manifest.documents:
            raise IntegrityError(
                f"the manifest of {manifest.stage}, {manifest.day} has no document {name!r}",
                remedy="recompute the day with --force",
            )
        refuse_damaged(self._store, manifest, [manifest.documents[name]])
        return self._store.uri(manifest.documents[name].key)

    def read_document(self, manifest: Manifest, name: str) -> bytes:
        """Return the bytes of a document.

        Raises:
            IntegrityError: As `document_uri`.
            FileNotFoundError: The document is missing.
        """
        return self._store.read(self._store.key(self.document_uri(manifest, name)))

    def _place(self, stage: str, day: Day) -> StageDay:
        return StageDay(self.pipeline, stage, day)

    def _pointer(self, place: StageDay) -> Pointer | None:
        return self._catalog.current(place.pipeline, place.stage, place.day)

    def _versions(self, place: StageDay) -> tuple[int, ...]:
        """Return the versions of a day in the store, ascending."""
        keys = (parse_key(found.key) for found in self._store.list(place.manifests))
        return tuple(key.version for key in keys if isinstance(key, ManifestKey))

    def _read(self, place: StageDay, version: int) -> Manifest | None:
        """Return a manifest, or None if it was removed."""
        key = place.manifest_key(version)
        try:
            body = self._store.read(key)
        except FileNotFoundError:
            return None
        manifest = read_manifest(body, where=self._store.uri(key))
        if (manifest.pipeline, manifest.stage, manifest.day, manifest.version) != (
            place.pipeline,
            place.stage,
            place.day,
            version,
        ):
            raise IntegrityError(
                f"the manifest says it is version {manifest.version} of {manifest.pipeline}/{manifest.stage},"
                f" {manifest.day}",
                where=self._store.uri(key),
                remedy="recompute the day with --force",
            )
        return manifest

    def _damaged_file(self, place: StageDay, manifest: Manifest) -> str | None:
        """Return the key of the first file that is missing or differs in size from its manifest."""
        files = manifest.files
        sizes = stored_sizes(self._store, place, manifest.attempt) if files else {}
        return next((file.key for file in files if sizes.get(file.key) != file.bytes), None)

    def _manifest(self, place: StageDay, draft: Draft) -> Manifest:
        """Make the draft's files durable and return its manifest, whose version is set later."""
        tables = seal_tables(self._store, place, draft)
        remove_strays(self._store, place, draft, tables)
        return Manifest(
            pipeline=place.pipeline,
            stage=place.stage,
            day=place.day,
            version=0,
            attempt=draft.attempt.id,
            input_digest=draft.input_digest,
            inputs=dict(draft.inputs),
            code_version=self._code_version,
            created_at=self._clock().astimezone(dt.UTC).isoformat(timespec="seconds"),
            tables=tables,
            documents=seal_documents(self._store, place, draft),
            metrics=dict(draft.metrics),
        )

    def _settles(self, place: StageDay, other: Manifest, draft: Draft, ours: Manifest) -> bool:
        """Whether a manifest committed after our attempt began makes ours redundant."""
        if other.attempt == ours.attempt:
            return True  # our own: the store accepted it but the response was lost
        if other.input_digest != ours.input_digest:
            return False
        if draft.force and other.content_digest != ours.content_digest:
            return False
        return self._damaged_file(place, other) is None

    def _publish_found(self, place: StageDay, manifest: Manifest) -> None:
        """Publish another process's manifest; that process may have died before it was durable."""
        self._store.seal(place.manifest_key(manifest.version))
        self._flip(place, manifest)

    def _flip(self, place: StageDay, manifest: Manifest) -> None:
        # False means that a later version is already published; ours is then part of its history.
        pointer = Pointer(place.manifest_key(manifest.version), manifest.version)
        self._catalog.flip(place.pipeline, place.stage, place.day, pointer)

    def _clear(self, place: StageDay, attempt: Attempt, *, scratch_only: bool) -> None:
        folder = place.attempt(attempt.id)
        prefix = f"{folder}/{SCRATCH}/" if scratch_only else f"{folder}/"
        self._store.delete([found.key for found in self._store.list(prefix)])


def _run_again(place: StageDay) -> str:
    return f"materialize {place.stage} of {place.day}: cluster-assets run {place.pipeline} --day {place.day}"
