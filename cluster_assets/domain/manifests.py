"""Manifests: what one attempt at one day of one stage produced, committed once, never changed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.digests import canonical_json, digest_of
from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.domain.partitions import Day, parse_day
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
        """Digest of schema and file contents, whatever the files are called."""
        return digest_of(
            {
                "columns": [[column.name, column.type] for column in self.columns],
                "files": [file.digest for file in self.files],
            }
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A small file that is no table, such as a page or a picture; named as its key ends."""

    key: str
    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The committed result of a stage for a day.

    Attributes:
        version: Position in the day's history, dense from 1.
        attempt: The attempt whose files these are.
        input_digest: Digest of everything the result is a function of.
        inputs: The parts of that digest, for people who ask why a day was recomputed.
        tables: The tables the stage fills, by name.
        documents: Files that are no tables, by name.
        metrics: Numbers and short texts that describe the day.
        created_at: ISO 8601 time of the commit, for people only.
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
        """Digest of the content of all tables and documents: what a downstream stage depends on."""
        tables = {name: table.content_digest for name, table in sorted(self.tables.items())}
        # A name with a dot is no table's.
        return digest_of(tables | {name: file.digest for name, file in sorted(self.documents.items())})

    @property
    def files(self) -> tuple[DataFile | Document, ...]:
        """Every file that stands for this manifest."""
        data = (file for table in self.tables.values() for file in table.files)
        return (*data, *self.documents.values())

    def to_json(self) -> bytes:
        """The manifest as canonical JSON."""
        body = asdict(self) | {"day": self.day.key, "format": FORMAT_VERSION}
        if not self.documents:
            del body["documents"]  # versions that know none read the others as ever
        return canonical_json(body).encode()


def read_manifest(body: bytes, *, where: str) -> Manifest:
    """Read a manifest back.

    Raises:
        IntegrityError: It is not a manifest of a format this version knows.
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
