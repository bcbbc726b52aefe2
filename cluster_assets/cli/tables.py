"""Tables for a terminal: numbers are never cut, and columns that do not fit are named below."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

# A file or a pipe has no width; this is wider than any table.
_UNLIMITED = 10_000
# The border and padding of each column, and the closing border of the table.
_BORDER, _LAST_BORDER = 3, 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        importance: If not all columns fit, those with the lowest numbers stay; 0 always stays.
        is_number: Whether to align the cells to the right.
    """

    name: str
    cells: tuple[str, ...]
    importance: int
    is_number: bool = True

    @property
    def width(self) -> int:
        """Width of the longest cell or word of the header; headers may wrap."""
        return max(len(text) for text in (*self.cells, *self.name.split()))


def table_console() -> Console:
    """Return a console as wide as the terminal; without a terminal, as wide as COLUMNS or unlimited."""
    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=_UNLIMITED)


def fitting(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """Choose the most important columns that fit into a width, and return them in their given order.

    >>> [one.name for one in fitting([Column("a", ("1234",), 2), Column("b", ("12",), 1)], 10)]
    ['b']
    """
    room = width - _LAST_BORDER
    kept = set()
    for column in sorted(columns, key=lambda column: column.importance):
        if column.importance == 0 or column.width + _BORDER <= room:
            kept.add(column.name)
            room -= column.width + _BORDER
    return tuple(column for column in columns if column.name in kept)


def make_table(title: str, columns: Sequence[Column], *, has_sums: bool = False) -> Table:
    """Build a table from columns of equal length; a last row with sums is set apart."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.name, justify="right" if column.is_number else "left", width=column.width)
    rows = list(zip(*(column.cells for column in columns), strict=True))
    for number, row in enumerate(rows):
        if has_sums and number == len(rows) - 1:
            table.add_section()
        table.add_row(*row)
    return table


def print_table(title: str, columns: Sequence[Column], *, wide: bool, has_sums: bool = False) -> None:
    """Print the columns that fit; with `wide` print all, which a narrow terminal wraps."""
    console = table_console()
    shown = tuple(columns) if wide else fitting(columns, console.width)
    # A console narrower than the table would cut its cells.
    console.width = max(console.width, sum(column.width + _BORDER for column in shown) + _LAST_BORDER)
    console.print(make_table(title, shown, has_sums=has_sums))
    left_out = [column.name for column in columns if column not in shown]
    if left_out:
        click.echo(f"hidden columns: {', '.join(left_out)} (--wide shows them)")
