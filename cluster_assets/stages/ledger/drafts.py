"""Computed days before publication: where their files go, and how they are sealed."""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import check_name
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.domain.manifests import DataFile, Document, TableData
from cluster_assets.stages.ledger.layout import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.stages.ledger.layout import StageDay


@dataclass(frozen=True, slots=True)
class Attempt:
    """A fresh folder for one attempt at a day; no other run writes to it and no reader looks into it.

    Attributes:
        id: UTC time and random digits.
        uri: Address of the folder.
        base_version: Newest version of the day when the attempt began; 0 if there was none.
    """

    id: str
    uri: str
    base_version: int

    def prefix_uri(self, table: str) -> str:
        """Return the prefix for a table's files, without a trailing slash."""
        return f"{self.uri}/{check_name(table)}"

    def scratch_uri(self, table: str) -> str:
        """Return the prefix for files that only this attempt reads; they are removed after publication."""
        return f"{self.uri}/{SCRATCH}/{check_name(table)}"

    def aside(self, name: str) -> Attempt:
        """Return a nested attempt whose tables only this attempt reads."""
        return replace(self, uri=self.scratch_uri(name))


@dataclass(frozen=True, slots=True)
class Draft:
    """A computed day that is not yet visible to readers.

    Attributes:
        input_digest: Digest of everything the result depends on.
        inputs: The parts of that digest.
        tables: Contract and written files by table; an empty table has no files.
        documents: Files other than tables, by name: the bytes of a small one (`report.html`), still to be
            written, or one that the worker wrote into the attempt's folder.
        force: Publish even if another run has published other content from the same inputs in the meantime.
    """

    stage: str
    day: Day
    attempt: Attempt
    input_digest: str
    inputs: Mapping[str, str]
    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]]
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    documents: Mapping[str, bytes | WrittenFile] = field(default_factory=dict)
    force: bool = False


_PARALLEL_SEALS = 8
_DOCUMENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}\.[a-z]{2,12}", re.ASCII)


def seal_tables(store: ObjectStore, place: StageDay, draft: Draft) -> dict[str, TableData]:
    """Make the files of a draft's tables durable and return the tables with the digests of their files.

    Raises:
        IntegrityError: A file is missing, differs in size from what the engine reported, or is not below the
            attempt's prefix.
    """
    sizes = stored_sizes(store, place, draft.attempt.id)
    tables = {}
    for name, (contract, files) in draft.tables.items():
        prefix = f"{place.attempt(draft.attempt.id)}/{check_name(name)}/"
        # On S3 a file takes one call or two, which wait for the answer.
        with ThreadPoolExecutor(_PARALLEL_SEALS) as pool:
            sealed = list(pool.map(partial(_seal, store, prefix=prefix, sizes=sizes), files))
        sealed.sort(key=lambda file: file.key)
        tables[name] = TableData(name=name, columns=contract.columns, files=tuple(sealed))
    return tables


def seal_documents(store: ObjectStore, place: StageDay, draft: Draft) -> dict[str, Document]:
    """Write the documents of a draft next to its tables, unless the worker did, and make them durable.

    Raises:
        IntegrityError: A document's key is taken by another file, or the document vanished or differs in size
            from what the worker reported.
        ValueError: A name is not valid for a document. This is a bug of the caller, not a user error.
    """
    folder = place.attempt(draft.attempt.id)
    written = any(isinstance(body, WrittenFile) for body in draft.documents.values())
    sizes = stored_sizes(store, place, draft.attempt.id) if written else {}
    sealed = {}
    for name, body in sorted(draft.documents.items()):
        key = f"{folder}/{_check_document(name)}"
        if isinstance(body, WrittenFile):
            file = _seal(store, body, key, sizes)
            sealed[name] = Document(file.key, file.bytes, file.digest)
        else:
            sealed[name] = _write_document(store, key, body)
    return sealed


def remove_strays(store: ObjectStore, place: StageDay, draft: Draft, tables: Mapping[str, TableData]) -> None:
    """Remove files that no table of a draft lists, such as those of an invocation that was later split.

    Queries that read a table's folder directly would otherwise return rows twice.
    """
    named = {file.key for table in tables.values() for file in table.files}
    prefixes = tuple(f"{place.attempt(draft.attempt.id)}/{check_name(name)}/" for name in draft.tables)
    strays = [key for key in stored_sizes(store, place, draft.attempt.id) if key.startswith(prefixes)]
    store.delete([key for key in strays if key not in named])


def stored_sizes(store: ObjectStore, place: StageDay, attempt: str) -> dict[str, int]:
    """Return the size in bytes of every file of an attempt, by key."""
    return {found.key: found.bytes for found in store.list(f"{place.attempt(attempt)}/")}


def _seal(store: ObjectStore, written: WrittenFile, prefix: str, sizes: Mapping[str, int]) -> DataFile:
    key = store.key(written.uri)
    if not key.startswith(prefix):
        raise _cannot_commit(key, f"it does not lie below {prefix}")
    if sizes.get(key) != written.bytes:
        raise _cannot_commit(key, f"bytes written: {written.bytes}, bytes in the store: {sizes.get(key)}")
    try:
        digest = store.seal(key)
    except FileNotFoundError as error:
        raise _cannot_commit(key, "it vanished") from error
    return DataFile(key=key, rows=written.rows, bytes=written.bytes, digest=digest)


def _write_document(store: ObjectStore, key: str, body: bytes) -> Document:
    store.put_if_absent(key, body)
    digest = hashlib.sha256(body).hexdigest()
    try:
        stored = store.seal(key)
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
