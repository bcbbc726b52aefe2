"""Selection of the files that may hold rows of a day, by folder and file name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SourceMissingError, SpecError
from cluster_assets.stages.raw.files import in_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.times.layouts import Layout
    from cluster_assets.spec.pipeline import Raw
    from cluster_assets.stages.raw.files import SourceFile


def files_of(raw: Raw, files: Sequence[SourceFile], day: Day) -> tuple[SourceFile, ...]:
    """Return the files that may hold rows of a day.

    Raises:
        SpecError: A path contains no day although `raw.partition` requires one, or `raw.fixed_day` is
            another day.
        SourceMissingError: There are no such files.
    """
    if raw.fixed_day is not None and raw.fixed_day != day.key:
        raise SpecError(
            f"{day} has no rows: raw.fixed_day assigns all rows to {raw.fixed_day}",
            where=f"raw.files: {raw.files}",
            remedy=f"run {raw.fixed_day}",
        )
    layout = raw.layout
    if layout is None:
        return tuple(files)
    if layout.column is not None:
        folders = [f"/{spelled}/" for spelled in layout.spellings(day)]
        kept = tuple(file for file in files if _may_hold(file.uri, layout.column, folders))
    else:
        kept = tuple(file for file in files if day_of_file(layout, file.uri) == day)
    if not kept:
        raise SourceMissingError(
            f"no file holds {day}",
            where=f"raw.files: {raw.files}, folder {layout.spellings(day)[0]}",
            remedy="wait for the day's files or add them; an empty day needs one file without rows",
        )
    return kept


def day_of_file(layout: Layout, uri: str) -> Day | None:
    """Return the day in the path of a file; None for a single-column partition whose value is not a day.

    Raises:
        SpecError: The path contains no day although several folders or the file name should.
    """
    found = layout.day_of_path(uri)
    if found is None and layout.column is None:
        raise SpecError(
            f"the path of a file contains no day in the format of raw.partition: {layout.text}",
            where=uri,
            remedy="narrow raw.files to files whose paths contain one, or correct raw.partition",
        )
    return found


def _may_hold(uri: str, column: str, folders: Iterable[str]) -> bool:
    """Whether a file is in one of the folders, or in no folder of the column at all."""
    return any(folder in uri for folder in folders) or not in_folder(uri, column)
