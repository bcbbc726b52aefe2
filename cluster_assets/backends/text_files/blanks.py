"""Blanks next to the quotes of a CSV value, which readers treat differently."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from cluster_assets.backends.text_files.openers import csv_records, delimiter_of, open_bytes

if TYPE_CHECKING:
    from cluster_assets.domain.text_files import CsvDialect

_BLOCK = 1 << 20


def may_have_blanks(uri: str, dialect: CsvDialect) -> bool:
    """Whether there is a blank between a delimiter or line end and a quote, maybe inside a value.

    Scans the bytes, which takes a fraction of the time of parsing them.
    """
    if not dialect.quote:
        return False
    if dialect.encoding == "utf-16":
        return True
    quote, delimiter = (
        re.escape(text.encode(dialect.encoding)) for text in (dialect.quote, delimiter_of(uri, dialect))
    )
    # Each pattern begins with a literal, which makes the search fast. A doubled quote is inside a value,
    # unless the value ends or a third quote follows.
    end, doubled = rb"[\r\n" + delimiter + rb"]", quote + rb"[^\r\n" + delimiter + quote + rb"]"
    opening = re.compile(b" " + quote + rb"(?<=[ \r\n" + delimiter + b"] " + quote + b")(?!" + doubled + b")")
    closing = re.compile(quote + b" (?<=[^" + quote + b"]" + quote + b" ) *(?:" + end + rb"|\Z)")
    rest = b"\n"
    with open_bytes(uri) as file:
        while block := file.read(_BLOCK):
            # Whole lines, because a quote at the end of a block could be the first of two.
            block += file.readline(_BLOCK)
            text = rest + block.removeprefix(codecs.BOM_UTF8)
            if opening.search(text) or closing.search(text):
                return True
            # Keep the blanks at the end, with the characters before them, for the next block.
            rest = text[max(len(text.rstrip(b" ")) - 2, 0) :]
    return False


def line_before_quote(uri: str, dialect: CsvDialect) -> int | None:
    """Return the line of the first value with blanks before its opening quote.

    In RFC 4180 such quotes are part of the value, so skipping the blanks gives another value.

    Raises:
        csv.Error: The quotes of a record do not fit the dialect.
    """
    as_written, without = csv_records(uri, dialect), csv_records(uri, dialect, skip_blanks=True)
    for (line, record), (_, other) in zip(as_written, without, strict=False):
        if [value.lstrip(" ") for value in record] != [value.lstrip(" ") for value in other]:
            return line
    return None
