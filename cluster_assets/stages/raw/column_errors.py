"""Errors for columns of a source that are missing, repeated or of another type."""

from __future__ import annotations

import difflib
import unicodedata

from cluster_assets.domain.column_types import common_type
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SourceSchemaError


def missing_error(
    name: str, place: str, present: list[str], kind: str | None, *, has_header: bool = False
) -> SourceSchemaError:
    """Return the error for a column that a file or table does not have.

    Args:
        name: The column.
        place: The file or table.
        present: Its columns.
        kind: The declared type.
        has_header: Whether the columns are the first line of a CSV file, which may be a row.
    """
    lowered = {column.lower(): column for column in present}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    hint = f"did you mean {lowered[near[0]]}? " if near else ""
    if near and unicodedata.normalize("NFC", near[0]) == unicodedata.normalize("NFC", name.lower()):
        hint = (
            "the file writes it with other Unicode characters that look the same: copy the name from there. "
        )
    shown = ", ".join(present[:30]) + (", …" if len(present) > 30 else "")
    if has_header and (not near or len(present) == 1):
        shown += _other_header(name, len(present))
    return SourceSchemaError(
        f"the column {name}{f' ({kind})' if kind else ''} is missing",
        where=place,
        remedy=f"{hint}It has: {shown}",
    )


def _other_header(name: str, fields: int) -> str:
    """Return what to do if the first line of a CSV file is not the header with a column."""
    if fields == 1:
        return (
            ". If another character separates the values, declare it: raw.csv: {delimiter: …}; if lines "
            "before the header are not rows, remove them"
        )
    return (
        f". If the first line is not a header, name all {counted(fields, 'column')} of the file: "
        f"raw.csv: {{names: [{name}, …]}}"
    )


def retyped_error(
    name: str, place: str, types: tuple[str, str], first: str | None, *, can_declare: bool
) -> SourceSchemaError:
    """Return the error for a column of another type than in other files, or than declared.

    Args:
        name: The column.
        place: The file.
        types: The expected type and the one found.
        first: The file with the expected type; None if it is declared.
        can_declare: Whether a declared type determines how the files are read.
    """
    expected, found = types
    remedy = "write the file again with the agreed type, or "
    if first is None:
        remedy += "correct raw.columns"
    elif can_declare and (declared := common_type(expected, found)):
        remedy += f"declare how all files are read: raw.columns: {{{name}: {declared}}}"
    else:
        remedy += f"cast {name} in a view over the files, and name that under raw.table"
    says = f"as in {first}" if first else "as raw.columns says"
    return SourceSchemaError(
        f"the column {name} is {found}, not {expected} {says}", where=place, remedy=remedy
    )


def repeated_error(place: str, first: str, second: str) -> SourceSchemaError:
    """Return the error for a name that several columns have; an engine would read one of them."""
    names = f"the column {first} twice" if first == second else f"the columns {first} and {second}"
    return SourceSchemaError(
        f"the file has {names}",
        where=place,
        remedy="give one of them another name; to SQL, names that differ in case only are the same",
    )


def respelled_error(place: str, spelled: str, first: str) -> SourceSchemaError:
    """Return the error for JSON keys that differ in case only; read as one column, one would be null."""
    return SourceSchemaError(
        f"the column {spelled} is spelled {first} in another file",
        where=place,
        remedy="write the key the same way in all JSON files",
    )
