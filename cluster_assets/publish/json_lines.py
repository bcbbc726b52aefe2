"""Target `json`: gzipped JSON lines, one file for each table and day.

A file records what it holds in the header of its gzip stream, as the original name, so that rows and mark
are replaced as one: `attackers_clusters_2013-03-10_00000003-0123456789abcdef.jsonl`.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import PublicationError
from cluster_assets.publish.target import TRIES, Mark, Receipt, decide, outdone, unwritten

if TYPE_CHECKING:
    from cluster_assets.publish.places import Place
    from cluster_assets.publish.target import TableDay

_HEAD_BYTES = 512  # more than the longest header
_NAME_FLAG = 0x08  # RFC 1952


class JsonLinesTarget:
    """Publishes to `<place>/<pipeline>/<table>/day=<day>.jsonl.gz`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def publish(self, table: TableDay) -> Receipt:
        """Replace the file of the day, unless it holds this version or a newer one.

        Raises:
            PublicationError: The place refuses or fails, or the file is not one of ours.
            ConflictError: Other publishers were faster each time.
        """
        key = _key(table)
        where = self._place.uri(key)
        with TemporaryDirectory(prefix="cluster-assets-publish-") as folder:
            draft: Path | None = None
            for _ in range(TRIES):
                held = self._place.read(key, _HEAD_BYTES)
                found = _mark_of(held.body, where) if held else None
                outcome = decide(found, table.mark, where)
                if outcome != "written":
                    return unwritten(outcome, found, where)
                draft = draft or _write_draft(table, Path(folder))
                if self._place.replace(key, draft, held):
                    return Receipt("written", where, draft.stat().st_size)
        raise outdone("replaced the file", where)

    def count(self, table: TableDay) -> int | None:
        """Return the lines of the file; None if it does not hold this version.

        Raises:
            PublicationError: The place refuses or fails, or the file is not one of ours.
        """
        key = _key(table)
        held = self._place.read(key)
        if held is None or _mark_of(held.body, self._place.uri(key)) != table.mark:
            return None
        try:
            with gzip.open(BytesIO(held.body)) as lines:
                return sum(1 for _ in lines)
        except (OSError, EOFError, zlib.error) as error:
            raise _not_ours(self._place.uri(key)) from error


def _key(table: TableDay) -> str:
    return f"{table.pipeline}/{table.name}/{table.day.prefix}.jsonl.gz"


def _write_draft(table: TableDay, folder: Path) -> Path:
    rows, packed = folder / "rows.jsonl", folder / "rows.jsonl.gz"
    table.write_json_lines(rows)
    name = f"{table.pipeline}_{table.name}_{table.day}_{table.mark}.jsonl"
    with (
        rows.open("rb") as source,
        packed.open("wb") as stream,
        # Without a time, so that equal rows have equal bytes.
        gzip.GzipFile(filename=name, mode="wb", fileobj=stream, compresslevel=6, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target)
    rows.unlink()
    return packed


def _mark_of(body: bytes, where: str) -> Mark:
    """Return the mark in the header of a gzip stream."""
    name, end, _ = body[10:].partition(b"\0")
    if body[:2] != b"\x1f\x8b" or len(body) < 10 or not body[3] & _NAME_FLAG or not end:
        raise _not_ours(where)
    try:
        return Mark.parse(name.decode("latin-1").removesuffix(".jsonl").rpartition("_")[2])
    except ValueError as error:
        raise _not_ours(where) from error


def _not_ours(where: str) -> PublicationError:
    return PublicationError(
        "a file that no publication wrote is where the day belongs",
        where=where,
        remedy="move it away or choose another address, then publish the day again",
    )
