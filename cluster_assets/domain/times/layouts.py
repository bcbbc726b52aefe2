"""How folders, file names or partition columns spell a day: `year=%Y/month=%m/day=%d`, `sales_%Y%m%d`."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.days import Day
from cluster_assets.domain.times.formats import TimeFormat, read_day_format, read_format

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COLUMN = re.compile(r"([^=%/*]{1,255})=([^=/]+)")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a day is spelled in a path or in partition columns.

    Attributes:
        text: The layout as written in the YAML.
        columns: The format of each partition column; empty if the layout is part of a path.
    """

    text: str
    columns: Mapping[str, TimeFormat]

    @property
    def column(self) -> str | None:
        """The column that spells the whole day; None if several columns do, or none does."""
        return next(iter(self.columns)) if len(self.columns) == 1 else None

    def day_of_path(self, path: str) -> Day | None:
        """Return the last day that a path spells; folders of partition columns must match as a whole.

        >>> str(read_layout("year=%Y/month=%m/day=%d").day_of_path("/lake/year=2026/month=3/day=2/a.csv"))
        '2026-03-02'
        """
        text = f"/{self.text}/" if self.columns else self.text
        found = read_day_format(text).find_last(path)
        return Day(found.date()) if found is not None else None

    def day_of_values(self, values: Mapping[str, object]) -> Day | None:
        """Return the day that the column values spell."""
        folders = "/".join(f"{name}={values[name]}" for name in self.columns)
        found = read_day_format(self.text).read(folders)
        return Day(found.date()) if found is not None else None

    def spellings(self, day: Day) -> tuple[str, ...]:
        """Return the spellings of a day, longest first."""
        return read_day_format(self.text).spellings(day.date)


@dataclass(frozen=True, slots=True)
class TableDay:
    """A day of a table with columns that spell the day.

    Attributes:
        layout: How they spell it; it has at least one column.
        day: The day.
    """

    layout: Layout
    day: Day

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.layout.columns)

    @property
    def predicate(self) -> str:
        """An SQL predicate for the rows of the day, for engines with standard quotes.

        >>> from cluster_assets.domain.days import parse_day
        >>> print(TableDay(day_column("day"), parse_day("2026-03-02")).predicate)
        CAST("day" AS VARCHAR) IN ('2026-03-02')
        """
        parts = []
        for name, form in self.layout.columns.items():
            column = name.replace('"', '""')
            texts = ", ".join("'" + text.replace("'", "''") + "'" for text in form.spellings(self.day.date))
            parts.append(f'CAST("{column}" AS VARCHAR) IN ({texts})')
        return " AND ".join(parts)

    def is_spelled_by(self, columns: Iterable[str]) -> bool:
        """Whether a table with these columns has those that spell the day; case does not matter."""
        return {name.lower() for name in columns} >= {name.lower() for name in self.columns}

    def holds(self, values: Mapping[str, object]) -> bool:
        """Whether the values of a partition's columns spell the day."""
        return self.layout.day_of_values(values) == self.day


@functools.lru_cache(maxsize=256)
def day_column(name: str) -> Layout:
    """Return the layout of a column that holds the day as YYYY-MM-DD."""
    return Layout(f"{name.replace('%', '%%')}=%Y-%m-%d", {name: read_format("%Y-%m-%d")})


@functools.lru_cache(maxsize=256)
def read_layout(text: str) -> Layout:
    """Parse a layout.

    Raises:
        ValueError: It does not identify a day, or it contains more than a day.
    """
    made = read_day_format(text)
    finer = [f"%{letter}" for letter in made.directives if letter in "HIMSfpz"]
    if finer:
        raise ValueError(f"{text!r} contains more than a day; leave out {' '.join(finer)}")
    found = [_COLUMN.fullmatch(part) for part in text.split("/")]
    matches = [match for match in found if match is not None]
    if len(matches) < len(found):
        return Layout(text, {})
    columns = {match[1]: read_format(match[2]) for match in matches}
    if len(columns) < len(matches):
        raise ValueError(f"{text!r} names a column twice")
    return Layout(text, columns)
