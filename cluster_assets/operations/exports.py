"""Exports a table of a published day as a file for other tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.stages.snapshots import TABLES, read_snapshot, write_snapshot

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.stages.ledger.ledger import Ledger

__all__ = ["TABLES", "export_table"]

_FORMATS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER true",
    ".json": "FORMAT json",
    ".jsonl": "FORMAT json",
    ".ndjson": "FORMAT json",
}


def export_table(ledger: Ledger, table: str, day: Day, output: Path, store: ObjectStore | None = None) -> int:
    """Write a table of a day, ordered by its key, atomically.

    Args:
        ledger: The pipeline.
        table: One of `TABLES`.
        day: A published day.
        output: The file to write; its extension determines the format.
        store: The store of the files; required if they are not on this machine.

    Returns:
        Number of rows written.

    Raises:
        SpecError: The table, the extension or the folder does not exist, or the day does not have the table.
        UpstreamMissingError: The stage of the table is not published for the day.
        EngineError: The file cannot be written, or a data file cannot be read.
    """
    require_parent(output)
    options = _FORMATS.get(output.suffix.lower())
    if options is None:
        raise SpecError(
            f"the format of {output.name!r} is unknown",
            remedy=f"use one of the extensions {', '.join(_FORMATS)}",
        )
    return write_snapshot(read_snapshot(ledger, table, day), options, output, store)


def require_parent(path: Path) -> None:
    """Refuse a path whose folder does not exist.

    Raises:
        SpecError: The folder does not exist; the message names it.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise SpecError(
            f"the folder {folder} {what}", where=str(path), remedy="create it, or choose another path"
        )
