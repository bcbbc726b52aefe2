"""The configuration of a sample, and the report of what was written."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import Day
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from pathlib import Path

MAX_ENTITIES = 5_000_000
MAX_ROWS_A_DAY = 100_000_000
MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """Configuration of a sample: days, amount of traffic, and seed.

    The seed, `entities`, `rows_per_entity` and `dirt` define an endless world; `first_day` and `days` choose
    the window that is written. The files of a day therefore do not depend on other days.

    Attributes:
        output: Folder of the day files; `truth/` is created inside it.
        first_day: First day written.
        days: Number of days written.
        entities: Source addresses per day.
        rows_per_entity: Approximate mean of rows per address and day; 3.2 on the honeypots of 2013.
        seed: Seed of the world.
        dirt: Whether to add the defects of real data: duplicates, missing or invalid coordinates, and
            addresses that use only ICMP, which have neither ports nor a set of targets.
    """

    output: Path
    first_day: Day
    days: int = 7
    entities: int = 1200
    rows_per_entity: float = 3.2
    seed: int = 7
    dirt: bool = True

    def __post_init__(self) -> None:
        """Check the configuration.

        Raises:
            SpecError: A number is out of range, or the last day is beyond the calendar.
        """
        _check_count("days", self.days, 1, dt.date.max.toordinal())
        _check_count("entities", self.entities, 1, MAX_ENTITIES)
        _check_count("seed", self.seed, 0, MAX_SEED)
        if not (math.isfinite(self.rows_per_entity) and self.rows_per_entity >= 1):
            raise SpecError(
                f"rows_per_entity is {self.rows_per_entity}; an address has at least one row",
                where="sample: rows_per_entity",
                remedy="pass a finite number of 1 or more, for example 3.2",
            )
        if self.entities * self.rows_per_entity > MAX_ROWS_A_DAY:
            raise SpecError(
                f"{counted(self.entities, 'entity')} with {self.rows_per_entity:g} rows each are more than "
                f"{MAX_ROWS_A_DAY} rows per day, which must fit into memory",
                where="sample: entities, rows_per_entity",
                remedy="spread the rows over more days",
            )
        if self.first_day.date.toordinal() + self.days - 1 > dt.date.max.toordinal():
            raise SpecError(
                f"{counted(self.days, 'day')} from {self.first_day} would end after {dt.date.max}",
                where="sample: first_day, days",
                remedy="start earlier or write fewer days",
            )

    def each_day(self) -> tuple[Day, ...]:
        """Return the days of the window, in order."""
        return tuple(Day(self.first_day.date + dt.timedelta(days=i)) for i in range(self.days))


@dataclass(frozen=True, slots=True)
class SampleReport:
    """The files that were written.

    Attributes:
        files: The day files, ordered by day; their truth files are in `truth/`.
        rows: Rows in the day files.
        bytes: Bytes of the day files.
        seconds: Wall time.
    """

    files: tuple[Path, ...]
    rows: int
    bytes: int
    seconds: float


def _check_count(name: str, value: int, least: int, most: int) -> None:
    """Refuse anything but an integer in the range."""
    # Callers may pass any type, and True would count as 1.
    if type(value) is not int or not least <= value <= most:
        raise SpecError(
            f"{name} is {value!r}",
            where=f"sample: {name}",
            remedy=f"pass an integer from {least} to {most}",
        )
