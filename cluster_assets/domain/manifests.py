"""Manifests: the result of one attempt at one day of one stage, committed once and never changed."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.days import Day, parse_day
from cluster_assets.domain.digests import canonical_json, digest_of
from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT_VERSION = 1
Metric = int | float | str


@dataclass(frozen=True, slots=True)
class DataFile:
    """One data file. `key` is relative to the store; `digest` is the SHA-256 of its bytes."""

    key: str
    rows: int
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class TableData:
    """One day of one table: its columns and files (none when the day is empty)."""

    name: str
    columns: tuple[Column, ...]
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def content_digest(self) -> str:
        """Digest of schema and file contents, independent of the file names."""
        return digest_of(
            {
                "columns": [[column.name, column.type] for column in self.columns],
                "files": [file.digest for file in self.files],
            }
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is not a table, such as a page or an index; its key ends in its name."""

    key: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The committed result of a stage for a day.

    Attributes:
        version: Position in the day's history, dense from 1.
        attempt: The attempt whose files these are.
        input_digest: Digest of everything the result depends on.
        inputs: The parts of that digest, to explain why a day was recomputed.
        tables: The tables that the stage writes, by name.
        documents: Files that are not tables, by name.
        metrics: Numbers and short texts that describe the day.
        created_at: ISO 8601 time of the commit. No decision about versions depends on it.
    """

    pipeline: str
    stage: str
    day: Day
    version: int
    attempt: str
    input_digest: str
    inputs: Mapping[str, str]
    code_version: str
    created_at: str
    tables: Mapping[str, TableData] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)

    @property
    def content_digest(self) -> str:
        """Digest of all tables and documents, on which downstream stages depend."""
        tables = {name: table.content_digest for name, table in sorted(self.tables.items())}
        # Only documents have a dot in their name.
        return digest_of(tables | {name: file.digest for name, file in sorted(self.documents.items())})

    def changed_inputs(self, present: Mapping[str, str]) -> tuple[str, ...]:
        """Return the names of those of the present inputs that differ from the ones of this manifest."""
        return tuple(name for name, value in present.items() if self.inputs.get(name) != value)

    @property
    def committed_at(self) -> dt.datetime:
        """`created_at` as a time."""
        return dt.datetime.fromisoformat(self.created_at)

    @property
    def files(self) -> tuple[DataFile | Document, ...]:
        """Every file that belongs to this manifest."""
        data = (file for table in self.tables.values() for file in table.files)
        return (*data, *self.documents.values())

    def to_json(self) -> bytes:
        """The manifest as canonical JSON, with the digest of all other fields."""
        body = asdict(self) | {"day": self.day.key, "format": FORMAT_VERSION}
        for table in body["tables"].values():
            for column in table["columns"]:
                del column["description"]  # descriptions belong to the code, not to a day
        if not self.documents:
            del body["documents"]  # older versions of this code can still read manifests without documents
        return canonical_json(body | {"digest": digest_of(body)}).encode()


def read_manifest(body: bytes, *, where: str) -> Manifest:
    """Read a manifest back.

    Raises:
        IntegrityError: The text is not a manifest in a format that this version knows, or it has changed
            since it was written.
    """
    try:
        return _from_dict(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, SpecError) as error:
        raise IntegrityError(
            f"not a manifest of format {FORMAT_VERSION}: {error}",
            where=where,
            remedy="upgrade the project if a newer version wrote it; else recompute the day with --force",
        ) from error


def _from_dict(body: dict[str, Any]) -> Manifest:
    written = body.pop("digest", None)  # manifests of earlier versions have none
    if written is not None and written != digest_of(body):
        raise ValueError("its content is not what was written")
    if body.pop("format") != FORMAT_VERSION:
        raise ValueError("unknown format")
    tables = {
        name: TableData(
            name=name,
            columns=tuple(Column(**column) for column in table["columns"]),
            files=tuple(DataFile(**file) for file in table["files"]),
        )
        for name, table in body.pop("tables").items()
    }
    documents = {name: Document(**file) for name, file in body.pop("documents", {}).items()}
    return Manifest(day=parse_day(body.pop("day")), tables=tables, documents=documents, **body)
