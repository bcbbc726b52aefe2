"""What a sample is asked to be, and what was written."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import Day

if TYPE_CHECKING:
    from pathlib import Path

MAX_ENTITIES = 5_000_000
MAX_ROWS_A_DAY = 100_000_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """A sample: which days, how much traffic, which world.

    The seed, `entities`, `rows_per_entity` and `dirt` make one endless world; `first_day` and `days`
    choose the window of it that is written. So a day's files do not depend on the other days.

    Attributes:
        output: Folder of the day files; `truth/` is made inside it.
        first_day: First day written.
        days: Number of days written.
        entities: Source addresses a day.
        rows_per_entity: Mean rows of an address on a day, about; 3.2 is what the honeypots of 2013 saw.
        seed: Which world.
        dirt: Whether rows are as dirty as real ones: duplicates, missing or impossible coordinates and
            addresses that show nothing but ICMP, so neither ports nor a set of targets.
    """

    output: Path
    first_day: Day
    days: int = 7
    entities: int = 1200
    rows_per_entity: float = 3.2
    seed: int = 7
    dirt: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be generated.

        Raises:
            SpecError: A number is out of range, or the last day is past the calendar.
        """
        _check_count("days", self.days, 1, dt.date.max.toordinal())
        _check_count("entities", self.entities, 1, MAX_ENTITIES)
        _check_count("seed", self.seed, 0, MAX_SEED)
        if not (math.isfinite(self.rows_per_entity) and self.rows_per_entity >= 1):
            raise SpecError(
                f"rows_per_entity is {self.rows_per_entity}; an address has at least one row",
                where="sample: rows_per_entity",
                remedy="give a finite number of 1 or more, for example 3.2",
            )
        if self.entities * self.rows_per_entity > MAX_ROWS_A_DAY:
            raise SpecError(
                f"{self.entities} entities with {self.rows_per_entity} rows each make more than "
                f"{MAX_ROWS_A_DAY} rows a day, which are held in memory",
                where="sample: entities, rows_per_entity",
                remedy="spread the rows over more days",
            )
        if self.first_day.date.toordinal() + self.days - 1 > dt.date.max.toordinal():
            raise SpecError(
                f"{self.days} days from {self.first_day} end after {dt.date.max}",
                where="sample: first_day, days",
                remedy="begin earlier or write fewer days",
            )

    def each_day(self) -> tuple[Day, ...]:
        """The days of the window, in order."""
        return tuple(Day(self.first_day.date + dt.timedelta(days=i)) for i in range(self.days))


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What was written.

    Attributes:
        files: The day files in order of day; each has its truth files beside it in `truth/`.
        rows: Rows in the day files.
        bytes: Bytes of the day files.
        seconds: Wall time.
    """

    files: tuple[Path, ...]
    rows: int
    bytes: int
    seconds: float


def _check_count(name: str, value: int, least: int, most: int) -> None:
    """Refuse anything but a whole number in the range."""
    # A command line or a YAML may hand over anything, and True would pass for 1.
    if type(value) is not int or not least <= value <= most:
        raise SpecError(
            f"{name} is {value!r}",
            where=f"sample: {name}",
            remedy=f"give a whole number from {least} to {most}",
        )
