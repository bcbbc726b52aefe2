"""How text files are read: the CSV dialect, and how a pipeline uses each of their columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How a CSV file separates its values; the default is RFC 4180 with a header.

    Attributes:
        delimiter: One character; None: the first of comma, tab, semicolon and bar in the header.
        quote: One character, or empty if the files do not quote values.
        escape: The character before a quote inside a quoted value; by default the quote itself.
        encoding: `utf-8`, `utf-16` or `latin-1`.
        null_values: Texts that mean null, besides the empty text.
        decimal: The decimal separator.
        names: Column names of files without a header.
    """

    delimiter: str | None = None
    quote: str = '"'
    escape: str = '"'
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ()
    decimal: str = "."
    names: tuple[str, ...] = ()


RFC_4180 = CsvDialect()


class Use(Flag):
    """How the expressions of a pipeline use a column; no flag if any type will do, as in `count(v)`.

    Attributes:
        TEXT: Its exact text matters.
        ORDERED: Its values are compared by order, as in `max(v)`.
        NUMBER: It is used in arithmetic.
        VALUE: Another use that depends on its type, such as `year(v)`.
    """

    TEXT = auto()
    ORDERED = auto()
    NUMBER = auto()
    VALUE = auto()


NO_USE = Use(0)
