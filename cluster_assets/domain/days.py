"""Daily partitions: one key, one UTC day, one folder name."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """One UTC day, the unit of every table.

    >>> parse_day("2013-03-03").prefix
    'day=2013-03-03'
    """

    date: dt.date

    @property
    def key(self) -> str:
        """The Dagster partition key, `YYYY-MM-DD`."""
        return self.date.isoformat()

    @property
    def prefix(self) -> str:
        """The Hive-style folder name of the partition."""
        return f"day={self.key}"

    @property
    def next(self) -> Day:
        """The day after."""
        return Day(self.date + dt.timedelta(days=1))

    def __str__(self) -> str:
        return self.key


def parse_day(text: str) -> Day:
    """Parse a partition key; anything but a valid `YYYY-MM-DD` date is refused.

    Keys become folder names, so no other spelling (`2013-3-3`, `../x`) may pass.

    Raises:
        SpecError: The text is not a calendar day in that form.
    """
    if _DAY.fullmatch(text):
        try:
            return Day(dt.date.fromisoformat(text))
        except ValueError as error:
            raise _bad_day(text) from error
    raise _bad_day(text)


def last_ended(now: dt.datetime) -> Day:
    """Return the last UTC day that has ended at a timezone-aware time; Dagster has no later partition."""
    return Day(now.astimezone(dt.UTC).date() - dt.timedelta(days=1))


def not_ended(day: Day) -> str:
    """Explain why a day is not a partition yet."""
    return f"{day} has not ended: it becomes a partition on {day.next} at 00:00 UTC"


def days_between(first: Day, last: Day) -> Iterator[Day]:
    """All days from `first` to `last`, both included.

    Raises:
        SpecError: `last` comes before `first`.
    """
    if last < first:
        raise SpecError(
            f"the range ends on {last}, before it starts on {first}",
            remedy="give the earlier day first",
        )
    day = first
    while day <= last:
        yield day
        day = day.next


def days_before(day: Day, count: int) -> Day:
    """Return the day `count` days earlier, but no earlier than the first day of the calendar."""
    return Day(dt.date.fromordinal(max(day.date.toordinal() - count, 1)))


def days_until(day: Day, count: int) -> Iterator[Day]:
    """The last `count` days up to a day, which is the last of them.

    >>> [one.key for one in days_until(parse_day("2026-03-01"), 2)]
    ['2026-02-28', '2026-03-01']
    """
    return days_between(days_before(day, count - 1), day)


def consecutive(days: Iterable[Day]) -> Iterator[tuple[Day, Day]]:
    """Yield the first and the last day of each run of consecutive days.

    Args:
        days: Different days, ascending.

    >>> days = [parse_day(f"2026-01-{day}") for day in ("01", "02", "04")]
    >>> [(first.key, last.key) for first, last in consecutive(days)]
    [('2026-01-01', '2026-01-02'), ('2026-01-04', '2026-01-04')]
    """
    run: tuple[Day, Day] | None = None
    for day in days:
        if run is not None and run[1].next == day:
            run = (run[0], day)
            continue
        if run is not None:
            yield run
        run = (day, day)
    if run is not None:
        yield run


def check_name(name: str) -> str:
    """Return a pipeline name that is safe as an asset key, a table prefix and a folder.

    Raises:
        SpecError: The name does not match `[a-z][a-z0-9_]{0,40}`.
    """
    if not _NAME.fullmatch(name):
        raise SpecError(
            f"{name!r} is not a pipeline name",
            remedy="use a-z, 0-9 and _, begin with a letter, at most 41 characters",
        )
    return name


def _bad_day(text: str) -> SpecError:
    return SpecError(f"{text!r} is not a day", remedy="write it as YYYY-MM-DD, for example 2026-01-31")
