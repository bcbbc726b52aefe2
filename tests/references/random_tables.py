"""Random tables as files in every format, and what Python's own modules read in these files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from arro3.core import Array, DataType
from arro3.core import Table as ArrowTable
from arro3.io import write_parquet
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Cell = str | None
WHOLE = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
NUMBER = re.compile(
    r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE
)
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
DAY = "2026-01-01"
PLAIN = {"text": "plain", "number": "7"}

_PIECES = [
    "'",
    '"',
    "#",
    ",",
    ";",
    "\t",
    "|",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\\",
    "a",
    "Ø",
    "0",
    "7",
    "-",
    ".",
    "é",
]
_WORDS = [
    "NULL",
    "NA",
    "nan",
    "None",
    "true",
    "007",
    "1.50",
    "1,5",
    "2026-01-01",
    "#x",
    "it's",
    '"',
    "''",
    "\\N",
]
_WIDE = ["漢", "😀", "\u2028", "\ufeff", "e\u0301", "\x0b", "\x1c", "\x85"]
_INTEGERS = st.one_of(
    st.integers(-100, 100), st.integers(2**53 - 2, 2**53 + 2), st.integers(-(2**63), 2**63 - 1), st.integers()
)
_SPELLED = ["007", "+5", "-0", ".5", "5.", "1e5", "1E-7", " 5", "1e400", "nan", "-inf", "9" * 25]


def _texts(wide: bool) -> st.SearchStrategy[Cell]:
    pieces = st.lists(st.sampled_from(_PIECES + (_WIDE if wide else [])), min_size=1, max_size=6).map("".join)
    return st.one_of(st.none(), st.sampled_from(_WORDS), pieces)


def _numbers() -> st.SearchStrategy[Cell]:
    exact = st.one_of(_INTEGERS.map(str), st.floats(allow_nan=False, allow_infinity=False).map(repr))
    return st.one_of(st.none(), st.sampled_from(_SPELLED), exact, exact, exact)


@dataclass(frozen=True)
class Table:
    """Rows of cells; before those that surprise there may be many that do not.

    Attributes:
        uses: `text` or `number` of each column c0, c1, …
        plain: How many rows of plain values come first.
    """

    uses: tuple[str, ...]
    plain: int
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def names(self) -> list[str]:
        """The row, the day, and the columns."""
        return ["n", "at", *(f"c{place}" for place in range(len(self.uses)))]

    def cells(self) -> list[list[Cell]]:
        plain = [PLAIN[use] for use in self.uses]
        cells = [*([plain] * self.plain), *map(list, self.rows)]
        return [[str(number), DAY, *row] for number, row in enumerate(cells)]


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes:
        options: What `raw.csv` has to say of it.
        delimiter: It is found in the header, and not said.
        quotes_all: Each value is in quotes, not only those that need them.
        ends: The last line has an end.
    """

    options: Mapping[str, Any]
    delimiter: str
    line_end: str
    bom: bool
    quotes_all: bool
    ends: bool

    @property
    def quote(self) -> str:
        return str(self.options.get("quote", '"'))

    @property
    def escape(self) -> str:
        return str(self.options.get("escape", self.quote))

    @property
    def encoding(self) -> str:
        return str(self.options.get("encoding", "utf-8"))

    def begins_with_another_break(self, table: Table) -> bool:
        """Whether the first record holds a line break that is not the line end, which DuckDB takes for it."""
        if "names" not in self.options:
            return False
        first = "".join(cell or "" for cell in table.cells()[0])
        return bool(set(re.findall(r"\r\n|\r|\n", first)) - {self.line_end})

    def written(self, table: Table) -> bytes:
        decimal = self.options.get("decimal", ".")
        rows: list[list[Cell]] = [] if "names" in self.options else [table.names]
        for row in table.cells():
            uses = ("text", "text", *table.uses)
            pairs = zip(row, uses, strict=True)
            rows.append(
                [cell.replace(".", decimal) if cell and use == "number" else cell for cell, use in pairs]
            )
        text = self.line_end.join(self.delimiter.join(map(self._cell, row)) for row in rows)
        text += self.line_end * self.ends
        return (("\ufeff" if self.bom and self.encoding == "utf-8" else "") + text).encode(self.encoding)

    def read(self, content: bytes, table: Table) -> list[list[Cell]]:
        """What Python's csv module reads below the header; an empty cell is null, as is a declared word."""
        csv.field_size_limit(2**31 - 1)
        named = "utf-8-sig" if self.encoding == "utf-8" else self.encoding
        doubled = self.escape == self.quote
        reader = csv.reader(
            io.StringIO(content.decode(named), newline=""),
            delimiter=self.delimiter,
            quotechar=self.quote,
            doublequote=doubled,
            escapechar=None if doubled else self.escape,
            strict=True,
        )
        if "names" not in self.options:
            assert next(reader) == table.names
        nulls = {"", *self.options.get("null_values", ())}
        decimal = self.options.get("decimal", ".")
        uses = ("text", "text", *table.uses)
        return [
            [
                None if cell in nulls else cell.replace(decimal, ".") if use == "number" else cell
                for cell, use in zip(row, uses, strict=True)
            ]
            for row in reader
        ]

    def _cell(self, value: Cell) -> str:
        if value is None:
            return ""
        if not self.quotes_all and not any(one in value for one in (self.delimiter, self.quote, "\r", "\n")):
            return value
        inside = value.replace(self.escape, self.escape * 2)
        if self.escape != self.quote:
            inside = inside.replace(self.quote, self.escape + self.quote)
        return f"{self.quote}{inside}{self.quote}"


@st.composite
def tables(draw: st.DrawFn, most: int, *, wide: bool = True) -> Table:
    """Tables of up to three columns; `most` plain rows before the others."""
    uses = tuple(draw(st.lists(st.sampled_from(["text", "number"]), min_size=1, max_size=3)))
    row = st.tuples(*(_texts(wide) if use == "text" else _numbers() for use in uses))
    rows = tuple(draw(st.lists(row, min_size=1, max_size=5)))
    return Table(uses, draw(st.sampled_from([0, 0, 1, most])), rows)


@st.composite
def dialects(draw: st.DrawFn) -> Dialect:
    """Dialects whose quotes Python's csv module and RFC 4180 take for the same."""
    options: dict[str, Any] = {}
    delimiter = draw(st.sampled_from(",;\t|"))
    quotes_all = draw(st.booleans())
    if draw(st.booleans()):
        options |= {"quote": "'"}
    if quotes_all and draw(st.booleans()):  # outside quotes, Python takes the escape for one, too
        options |= {"escape": "\\"}
    if (encoding := draw(st.sampled_from(["utf-8", "utf-8", "utf-16", "latin-1"]))) != "utf-8":
        options |= {"encoding": encoding}
    if draw(st.booleans()):
        options |= {"null_values": ["NA", "NULL", "-"]}
    if delimiter != "," and draw(st.booleans()):
        options |= {"decimal": ","}
    return Dialect(
        options,
        delimiter,
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.booleans()),
        quotes_all,
        draw(st.booleans()),
    )


@st.composite
def csv_files(draw: st.DrawFn, most: int) -> tuple[Table, Dialect]:
    """A table and a dialect that can write it."""
    dialect = draw(dialects())
    table = draw(tables(most, wide=dialect.encoding == "utf-8"))
    if draw(st.booleans()):
        return table, dialect
    return table, replace(
        dialect, options={**dialect.options, "delimiter": dialect.delimiter, "names": table.names}
    )


def json_cell(value: Cell, use: str) -> str:
    """A text as a text, a number as a number where JSON has it."""
    if use == "number" and value is not None and JSON_NUMBER.fullmatch(value):
        return value
    return json.dumps(value)


def json_content(table: Table, *, as_array: bool) -> bytes:
    """One object a line, or one array of them; a column without a value is not named in every other row."""
    lines = []
    uses = ["text", "text", *table.uses]
    for number, row in enumerate(table.cells()):
        pairs = [
            f"{json.dumps(name)}: {json_cell(value, use)}"
            for name, value, use in zip(table.names, row, uses, strict=True)
            if value is not None or number % 2 == 0
        ]
        lines.append("{" + ", ".join(pairs) + "}")
    text = "[" + ",\n".join(lines) + "]" if as_array else "\n".join(lines) + "\n"
    return text.encode()


def json_rows(content: bytes, names: list[str], *, as_array: bool) -> list[list[Cell]]:
    """What Python's json module reads, numbers as they are spelled."""
    load = {"parse_int": str, "parse_float": str}
    text = content.decode()
    found: list[dict[str, Any]] = (
        json.loads(text, **load)
        if as_array
        else [json.loads(line, **load) for line in text.split("\n") if line]
    )
    return [[row.get(name) for name in names] for row in found]


def store(path: Path, content: bytes) -> None:
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def store_parquet(path: Path, table: Table) -> list[list[Cell]]:
    """Write texts as texts and numbers as doubles; the cells that are written, without what is no number."""
    kept = ["text", "text", *table.uses]
    cells = [
        [
            cell if use == "text" or cell is None or _is_number(cell) else None
            for cell, use in zip(row, kept, strict=True)
        ]
        for row in table.cells()
    ]
    columns = {
        name: [cell if use == "text" or cell is None else float(cell) for cell in column]
        for name, use, column in zip(table.names, kept, zip(*cells, strict=True), strict=True)
    }
    types = [DataType.utf8() if use == "text" else DataType.float64() for use in kept]
    arrays = {
        name: Array(column, type=kind) for (name, column), kind in zip(columns.items(), types, strict=True)
    }
    write_parquet(ArrowTable.from_pydict(arrays), path)
    return [
        [
            cell if use == "text" or cell is None else repr(float(cell))
            for cell, use in zip(row, kept, strict=True)
        ]
        for row in cells
    ]


def has_a_type(values: list[Cell]) -> bool:
    """Whether bigint holds all numbers, or a double each of them, whole ones only where it is the same."""
    present = [value for value in values if value is not None]
    if not all(_is_number(value) for value in present):
        return False
    whole = [int(value) for value in present if WHOLE.fullmatch(value)]
    if len(whole) == len(present) and all(-(2**63) <= value < 2**63 for value in whole):
        return True
    return all(int(float(value)) == value for value in whole)


def is_same(found: Any, cell: Cell, use: str) -> bool:
    """Whether a value that was read is the cell: the text letter by letter, the number exactly."""
    if cell is None or found is None or use == "text" or isinstance(found, str):
        return bool(found == cell)
    if isinstance(found, int) or WHOLE.fullmatch(cell):
        return WHOLE.fullmatch(cell) is not None and bool(int(cell) == found)
    return bool(float(cell) == found) or (math.isnan(found) and math.isnan(float(cell)))


def _is_number(value: str) -> bool:
    number = NUMBER.fullmatch(value) is not None
    return number and (math.isfinite(float(value)) or "e" not in value.lower())
