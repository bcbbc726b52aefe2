"""Text files as Python reads them: gzipped or not, in their encoding, record by record."""

from __future__ import annotations

import codecs
import csv
import gzip
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TextIO, cast

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SourceUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.text_files import CsvDialect

_DELIMITERS = ",\t;|"
_BEGINNING = 1 << 20
_SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "ZIP, as Excel's .xlsx files are",
    b"\xd0\xcf\x11\xe0": "a file of Excel",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\xfd7zXZ": "xz",
    b"PAR1\x15": "Parquet",
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
}
# A value may be as long as a file.
csv.field_size_limit((1 << 31) - 1)


def open_bytes(uri: str) -> IO[bytes]:
    """Open a file for reading, unzipped."""
    return cast("IO[bytes]", gzip.open(uri) if uri.lower().endswith(".gz") else Path(uri).open("rb"))


def open_text(uri: str, encoding: str = "utf-8") -> TextIO:
    """Open a text file without its byte order mark; line ends are kept."""
    named = "utf-8-sig" if encoding == "utf-8" else encoding
    if uri.lower().endswith(".gz"):
        return cast("TextIO", gzip.open(uri, "rt", encoding=named, newline=""))
    return Path(uri).open(encoding=named, newline="")


def other_format(uri: str) -> str | None:
    """Return the format of a file that its first bytes show to be neither CSV nor JSON."""
    with open_bytes(uri) as file:
        first = file.read(max(map(len, _SIGNATURES)))
    return next((name for signature, name in _SIGNATURES.items() if first.startswith(signature)), None)


def is_empty(uri: str) -> bool:
    """Whether a file is empty or has blanks only."""
    with open_bytes(uri) as file:
        while block := file.read(_BEGINNING):
            if block.strip(b"\xef\xbb\xbf \t\r\n"):
                return False
    return True


def delimiter_of(uri: str, dialect: CsvDialect) -> str:
    """Return the delimiter: declared, or the first of comma, tab, semicolon and bar in the header.

    Delimiters inside quotes do not count.

    In a .tsv file the tab comes first. A wrong guess loses no row: all have as many fields as the header.
    """
    if dialect.delimiter is not None:
        return dialect.delimiter
    with open_text(uri, dialect.encoding) as file:
        line = file.readline(_BEGINNING)
    outside = "".join(line.split(dialect.quote)[::2]) if dialect.quote else line
    first = "\t" if uri.lower().removesuffix(".gz").endswith(".tsv") else ""
    return next((one for one in first + _DELIMITERS if one in outside), ",")


def csv_records(
    uri: str, dialect: CsvDialect, *, skip_blanks: bool = False
) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of a CSV file with the number of their last line; a blank line has no fields.

    Args:
        uri: The file.
        dialect: Its dialect.
        skip_blanks: Whether to skip blanks after delimiters.

    Raises:
        csv.Error: The quotes of a record do not fit the dialect.
        UnicodeError: The file has another encoding.
    """
    with open_text(uri, dialect.encoding) as file:
        reader = csv.reader(file, **_reader_options(uri, dialect), skipinitialspace=skip_blanks)
        for record in reader:
            yield reader.line_num, record


def line_breaks(uri: str, dialect: CsvDialect) -> Iterator[tuple[int, str, set[str]]]:
    """Yield the last line, the line end and the breaks inside quotes of each record of a CSV file.

    Raises:
        csv.Error: The quotes of a record do not fit the dialect.
        UnicodeError: The file has another encoding.
    """
    breaks: list[str] = []

    def lines(file: TextIO) -> Iterator[str]:
        for line in file:
            breaks.append(line[len(line.rstrip("\r\n")) :])
            yield line

    with open_text(uri, dialect.encoding) as file:
        reader = csv.reader(lines(file), **_reader_options(uri, dialect))
        for _ in reader:
            *inside, end = breaks
            breaks.clear()
            yield reader.line_num, end, set(inside)


def _reader_options(uri: str, dialect: CsvDialect) -> dict[str, Any]:
    doubled = dialect.quote == dialect.escape
    return {
        "delimiter": delimiter_of(uri, dialect),
        "quotechar": dialect.quote or None,
        "quoting": csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        "doublequote": doubled,
        "escapechar": None if doubled or not dialect.escape else dialect.escape,
        "strict": True,
    }


def csv_header(uri: str, dialect: CsvDialect) -> tuple[str, ...]:
    """Return the column names of a CSV file without surrounding blanks; none for an empty file.

    Raises:
        SourceUnreadableError: The first line is not a header.
        csv.Error: Its quotes do not fit the dialect.
        UnicodeError: The file has another encoding.
    """
    if is_empty(uri):
        return ()
    if dialect.encoding == "utf-16":
        _refuse_big_endian(uri)
    record = next(iter(csv_records(uri, dialect)), (0, []))[1]
    if dialect.names:
        if len(record) != len(dialect.names):
            raise SourceUnreadableError(
                f"raw.csv.names lists {counted(len(dialect.names), 'column')}, and line 1 has {len(record)}",
                where=f"{uri}, line 1",
                remedy="name all columns of the files under raw.csv.names, in their order",
            )
        if [name.strip().lower() for name in record] == [name.lower() for name in dialect.names]:
            raise SourceUnreadableError(
                "line 1 is a header with the names of raw.csv.names, which are for files without one",
                where=f"{uri}, line 1",
                remedy="remove raw.csv.names; if line 1 is a row, give the columns other names",
            )
        return dialect.names
    if not record:
        raise SourceUnreadableError(
            "the first line is blank, not a header", where=f"{uri}, line 1", remedy="remove the line"
        )
    if record[0].lower().startswith("sep=") and not any(record[1:]):
        raise SourceUnreadableError(
            f"the first line tells Excel the delimiter and is not a header: {record[0]!r}",
            where=f"{uri}, line 1",
            remedy="remove the line",
        )
    return tuple(name.strip() or f"column{number}" for number, name in enumerate(record))


def _refuse_big_endian(uri: str) -> None:
    """Refuse big-endian UTF-16: DuckDB reads it as little-endian and finds no line end, so no row."""
    with open_bytes(uri) as file:
        if file.read(2) == codecs.BOM_UTF16_BE:
            raise SourceUnreadableError(
                "the file is big-endian UTF-16, which the engine does not read",
                where=f"{uri}, line 1",
                remedy="save it as UTF-8, and remove raw.csv.encoding",
            )


def is_array(uri: str) -> bool:
    """Whether a JSON file is one array, rather than one object a line."""
    with open_bytes(uri) as file:
        while block := file.read(_BEGINNING):
            if text := block.lstrip(b"\xef\xbb\xbf \t\r\n"):
                return text[:1] == b"["
    return False
