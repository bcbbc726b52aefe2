"""A day that has been computed but not yet published: where its files go, and how they are sealed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError
from cluster_assets.domain.manifests import DataFile, Document, TableData
from cluster_assets.domain.partitions import check_name
from cluster_assets.stages.layout import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.domain.partitions import Day
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.ports import ObjectStore, WrittenFile
    from cluster_assets.stages.layout import StageDay


@dataclass(frozen=True, slots=True)
class Attempt:
    """A fresh folder for one try at a day; nobody else writes there, and no reader looks there.

    Attributes:
        id: UTC time and random digits.
        uri: Address of the folder.
        base_version: Newest version of the day when the attempt began, 0 for none.
    """

    id: str
    uri: str
    base_version: int

    def prefix_uri(self, table: str) -> str:
        """Where the files of a table go, without a slash at its end."""
        return f"{self.uri}/{check_name(table)}"

    def scratch_uri(self, table: str) -> str:
        """Where files go that only this attempt reads; removed once the day is published."""
        return f"{self.uri}/{SCRATCH}/{check_name(table)}"

    def aside(self, name: str) -> Attempt:
        """A try within this one whose tables only this one reads."""
        return replace(self, uri=self.scratch_uri(name))


@dataclass(frozen=True, slots=True)
class Draft:
    """A computed day, not yet visible to anybody.

    Attributes:
        input_digest: Digest of everything the result is a function of.
        inputs: The parts of that digest.
        tables: Contract and written files by table; no files for an empty table.
        documents: Small files that are no tables, by name (`report.html`), not written yet.
        force: Publish although another run published other content from the same inputs meanwhile.
    """

    stage: str
    day: Day
    attempt: Attempt
    input_digest: str
    inputs: Mapping[str, str]
    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    force: bool = False


_DOCUMENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\.[a-z]{2,5}", re.ASCII)


def seal_tables(store: ObjectStore, place: StageDay, draft: Draft) -> dict[str, TableData]:
    """The tables of a draft with the digests of their files, each file durable from now on.

    Raises:
        IntegrityError: A file is missing, has another size than the engine said, or lies elsewhere.
    """
    sizes = stored_sizes(store, place, draft.attempt.id)
    tables = {}
    for name, (contract, files) in draft.tables.items():
        prefix = f"{place.attempt(draft.attempt.id)}/{check_name(name)}/"
        sealed = [_seal(store, file, prefix, sizes) for file in files]
        sealed.sort(key=lambda file: file.key)
        tables[name] = TableData(name=name, columns=contract.columns, files=tuple(sealed))
    return tables


def seal_documents(store: ObjectStore, place: StageDay, draft: Draft) -> dict[str, Document]:
    """Write the documents of a draft beside its tables, each durable from now on.

    Raises:
        IntegrityError: Another file lies where one goes, or it vanished.
        ValueError: A name is none of a document. A fault of the caller, never of a user.
    """
    return {
        name: _write_document(store, f"{place.attempt(draft.attempt.id)}/{_check_document(name)}", body)
        for name, body in sorted(draft.documents.items())
    }


def remove_strays(store: ObjectStore, place: StageDay, draft: Draft, tables: Mapping[str, TableData]) -> None:
    """Remove what lies beside the files of a draft's tables: what an invocation left that was halved later.

    People who query the folder of a table by name would read it twice.
    """
    named = {file.key for table in tables.values() for file in table.files}
    prefixes = tuple(f"{place.attempt(draft.attempt.id)}/{check_name(name)}/" for name in draft.tables)
    strays = [key for key in stored_sizes(store, place, draft.attempt.id) if key.startswith(prefixes)]
    store.delete([key for key in strays if key not in named])


def stored_sizes(store: ObjectStore, place: StageDay, attempt: str) -> dict[str, int]:
    """Bytes of every file of an attempt, by key."""
    return {found.key: found.bytes for found in store.list(f"{place.attempt(attempt)}/")}


def _seal(store: ObjectStore, written: WrittenFile, prefix: str, sizes: Mapping[str, int]) -> DataFile:
    key = store.key(written.uri)
    if not key.startswith(prefix):
        raise _cannot_commit(key, f"it does not lie below {prefix}")
    if sizes.get(key) != written.bytes:
        raise _cannot_commit(key, f"{written.bytes} bytes were written, the store has {sizes.get(key)}")
    try:
        digest = store.digest(key)
    except FileNotFoundError as error:
        raise _cannot_commit(key, "it vanished") from error
    return DataFile(key=key, rows=written.rows, bytes=written.bytes, digest=digest)


def _write_document(store: ObjectStore, key: str, body: bytes) -> Document:
    store.put_if_absent(key, body)
    digest = hashlib.sha256(body).hexdigest()
    try:
        stored = store.digest(key)
    except FileNotFoundError as error:
        raise _cannot_commit(key, "it vanished") from error
    if stored != digest:
        raise _cannot_commit(key, "another file lies in its place")
    return Document(key=key, bytes=len(body), digest=digest)


def _check_document(name: str) -> str:
    if not _DOCUMENT_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a document; write one like report.html")
    return name


def _cannot_commit(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"a file of the attempt cannot be committed: {why}",
        where=key,
        remedy="run the day again; if gc ran meanwhile, give it a retention longer than a run takes",
    )
