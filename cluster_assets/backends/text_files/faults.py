"""Line numbers of faults in text files; SQL readers report records only."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.text_files.blanks import line_before_quote, may_have_blanks
from cluster_assets.backends.text_files.openers import (
    csv_records,
    is_array,
    line_breaks,
    open_bytes,
    open_text,
    other_format,
)
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SourceUnreadableError
from cluster_assets.domain.text_files import RFC_4180

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.text_files import CsvDialect


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a file.

    Attributes:
        place: What to write after the name of the file, such as `, line 7`.
    """

    what: str
    place: str
    remedy: str

    def error(self, uri: str) -> SourceUnreadableError:
        """Return the error for the file."""
        return SourceUnreadableError(self.what, where=f"{uri}{self.place}", remedy=self.remedy)


def refuse_fault(uri: str, kind: str, dialect: CsvDialect = RFC_4180) -> None:
    """Raise an error for the first fault of a CSV or JSON file, if there is one.

    Raises:
        SourceUnreadableError: The file has a fault.
    """
    if fault := find_fault(uri, kind, dialect):
        raise fault.error(uri)


def find_fault(uri: str, kind: str, dialect: CsvDialect) -> Fault | None:
    """Return the first fault of a CSV or JSON file; None if Python reads it.

    Args:
        uri: The file.
        kind: `csv` or `json`.
        dialect: Dialect of CSV files.
    """
    encoding = dialect.encoding if kind == "csv" else "utf-8"
    try:
        if other := other_format(uri):
            return _other_format(uri, kind, other)
        return _wrong_encoding(uri, encoding, kind) or (
            _csv_fault(uri, dialect) if kind == "csv" else _json_fault(uri)
        )
    except gzip.BadGzipFile as error:
        return Fault(
            f"the file cannot be unzipped: {error}",
            "",
            "write the file again; if it is not compressed, name it without .gz",
        )
    except (EOFError, zlib.error, OSError) as error:
        return Fault(
            f"the file cannot be unzipped: {error}", "", "write the file again: it is truncated or corrupt"
        )


def _other_format(uri: str, kind: str, other: str) -> Fault:
    remedy = f"write it as {kind.upper()}, in UTF-8"
    if other == "gzip":
        remedy = "compress it once" if uri.lower().endswith(".gz") else "name it .gz"
    return Fault(f"the file is {other}, not {kind.upper()}", "", remedy)


def line_of(uri: str, kind: str, dialect: CsvDialect, column: str, value: str) -> str:
    """Return `, line 7` for the first record with a value in a column; empty if there is none."""
    if kind == "csv":
        return _csv_line(uri, dialect, column, value)
    if is_array(uri):
        return ""
    with open_text(uri) as file:
        for number, line in enumerate(file, 1):
            if line.strip() and _json_text(_of_key(json.loads(line, parse_float=_float), column)) == value:
                return f", line {number}"
    return ""


def line_of_key(uri: str, spellings: Sequence[str]) -> str:
    """Return `, line 7` for the first object of a JSON file with another spelling of a key than before."""
    if is_array(uri):
        return ""
    seen: set[str] = set()
    with open_text(uri) as file:
        for number, line in enumerate(file, 1):
            seen |= set(json.loads(line)).intersection(spellings) if line.strip() else set()
            if len(seen) > 1:
                return f", line {number}"
    return ""


def _csv_line(uri: str, dialect: CsvDialect, column: str, value: str) -> str:
    position = _position(dialect.names, column) if dialect.names else None
    for line, record in csv_records(uri, dialect):
        if position is None:
            position = _position(record, column)
        elif position < len(record) and record[position] == value:
            return f", line {line}"
    return ""


def _float(text: str) -> float | str:
    """Return a number, or the text of one that is beyond a double."""
    value = float(text)
    return text if math.isinf(value) else value


def _of_key(record: dict[str, Any], column: str) -> Any:
    return next((value for name, value in record.items() if name.lower() == column.lower()), None)


def _position(names: Sequence[str], column: str) -> int:
    """Return the position of a column, whatever the case of its name; one behind all others without it."""
    found = [name.strip().lower() for name in names]
    return found.index(column.lower()) if column.lower() in found else len(found)


def _json_text(value: Any) -> str | None:
    """Return a JSON value as the text of a column of texts."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _wrong_encoding(uri: str, encoding: str, kind: str) -> Fault | None:
    if encoding == "utf-16":
        return _beyond_utf_16(uri)
    if encoding != "utf-8":
        return None
    with open_bytes(uri) as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            declare = ", or declare raw.csv: {encoding: utf-16}" if kind == "csv" else ""
            return Fault("the file is UTF-16, not UTF-8", ", line 1", f"save it as UTF-8{declare}")
        file.seek(0)
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                shown = line[max(error.start - 20, 0) : error.end + 10].decode("latin-1").strip()
                return Fault(
                    f"the file is not UTF-8: {shown!r}, read as Latin-1",
                    f", line {number}",
                    "save it as UTF-8"
                    + (", or declare its encoding: raw.csv: {encoding: latin-1}" if kind == "csv" else ""),
                )
    return None


def _beyond_utf_16(uri: str) -> Fault | None:
    """Find the first character in UTF-16 that DuckDB does not read."""
    try:
        with open_text(uri, "utf-16") as text:
            for number, line in enumerate(text, 1):
                if (highest := max(line, default="")) > "\uffff":
                    what = f"the engine does not read {highest!r} in UTF-16, a character of four bytes"
                    return Fault(what, f", line {number}", "save it as UTF-8, and remove raw.csv.encoding")
    except UnicodeError:
        return None  # reported with its record
    return None


def _csv_fault(uri: str, dialect: CsvDialect) -> Fault | None:
    fields, last = len(dialect.names), 0
    try:
        for line, record in csv_records(uri, dialect):
            fields = fields or len(record)
            if len(record) != fields and (record or fields == 1):
                return Fault(
                    f"a line has {counted(len(record), 'field')}, the header has {fields}: "
                    f"{','.join(record)[:80]!r}",
                    f", line {last + 1}" if line == last + 1 else f", lines {last + 1} to {line}",
                    "correct the line; put a value that holds the delimiter or a line end in quotes",
                )
            last = line
        blank = line_before_quote(uri, dialect) if may_have_blanks(uri, dialect) else None
    except csv.Error as error:
        return Fault(
            f"the quotes of a record are not those of CSV: {error}",
            f", line {last + 1}",
            'write a quote inside a quoted value twice (""); where quotes mean nothing, declare '
            "raw.csv: {quote: ''}",
        )
    except UnicodeError as error:
        return Fault(
            f"the file is not {dialect.encoding}: {error}", f", line {last + 1}", "correct raw.csv.encoding"
        )
    if blank is not None:
        return Fault(
            "a value has blanks before its opening quote, so that the quotes are part of it in RFC 4180",
            f", line {blank}",
            "remove the blanks between delimiters and quotes; where quotes mean nothing, declare "
            "raw.csv: {quote: ''}",
        )
    return _wrong_line_breaks(uri, dialect)


def _wrong_line_breaks(uri: str, dialect: CsvDialect) -> Fault | None:
    first = ""
    for number, (line, end, inside) in enumerate(line_breaks(uri, dialect)):
        if end and first and end != first:
            return Fault(
                f"lines end with {end!r} here and with {first!r} before",
                f", line {line}",
                "write all lines with one line end",
            )
        if number == 0 and inside - {end}:
            # DuckDB takes the first line break of a file for its line end.
            return Fault(
                f"the first record ends with {end!r} and has another line break inside quotes",
                f", line {line}",
                "write all line breaks the same way, or a record without a line break first",
            )
        first = first or end
    return None


def _json_fault(uri: str) -> Fault | None:
    with open_bytes(uri) as file:
        if file.read(3) == b"\xef\xbb\xbf":
            return Fault("the file begins with a byte order mark", ", line 1", "save it as UTF-8 without one")
    if is_array(uri):
        return _array_fault(uri)
    with open_text(uri) as file:
        for number, line in enumerate(file, 1):
            if line.endswith("\r"):
                return Fault(
                    "a line ends with a carriage return alone",
                    f", line {number}",
                    "end lines with a line feed",
                )
            if line.strip() and (wrong := _wrong_object(line)):
                return Fault(
                    f"{wrong}: {line.strip()[:80]}",
                    f", line {number}",
                    "write one JSON object a line, or the whole file as one array of objects",
                )
    return None


def _wrong_object(line: str) -> str | None:
    try:
        value = json.loads(line, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        return f"the line is not a JSON object ({error})"
    if "\\u" in line and _has_lone_surrogate(value):
        return "half of a surrogate pair is not a character"
    if value is None:
        return "the line is null, not an object"
    return None if isinstance(value, dict) else f"the line is a JSON {type(value).__name__}, not an object"


def _has_lone_surrogate(value: Any) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in json.dumps(value, ensure_ascii=False))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)} occurs twice")
    return found


def _array_fault(uri: str) -> Fault | None:
    remedy = "write an array of objects, or one object a line"
    with open_text(uri) as file:
        try:
            values = json.load(file, object_pairs_hook=_unique)
        except json.JSONDecodeError as error:
            return Fault(f"the array is not JSON: {error.msg}", f", line {error.lineno}", remedy)
        except (ValueError, RecursionError) as error:
            return Fault(f"the array cannot be read: {error}", "", remedy)
    if _has_lone_surrogate(values):
        what = "half of a surrogate pair in the array is not a character"
        return Fault(what, "", "correct the text")
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            shown = json.dumps(value)[:80]
            return Fault(f"element {number} of the array is not an object: {shown}", "", remedy)
    return None
