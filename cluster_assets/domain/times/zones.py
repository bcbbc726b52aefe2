"""Local times of a zone in UTC: which of them belong to a UTC day.

Clocks are put forward and back. A local time that occurs twice means its first occurrence. A local time that
never occurs means the moment at which the clocks are put forward. So a later local time is never an earlier
moment, and the local times of a UTC day form one interval that engines can compare without zone data.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from cluster_assets.domain.days import Day

_SECOND = dt.timedelta(seconds=1)
# Files beside those of the IANA zones: settings of the machine, and copies, some of which count leap seconds.
_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
_COPIES = ("posix/", "right/")


def check_zone(name: str) -> str:
    """Return the name of a known time zone.

    Raises:
        ValueError: The zone is not in the IANA database.
    """
    if not _is_zone(name):
        raise ValueError(f"{name!r} is not a time zone; write an IANA name such as Europe/Paris")
    return name


def _is_zone(name: str) -> bool:
    if name in _OF_THE_MACHINE or name.startswith(_COPIES):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # it raises all of them: for unknown names, paths, and folders
        return False
    return True


def local_start(day: Day, zone: str) -> dt.datetime:
    """Return the first local time of a UTC day, as a naive datetime.

    >>> local_start(Day(dt.date(2026, 7, 1)), "Europe/Paris")
    datetime.datetime(2026, 7, 1, 2, 0)
    """
    if zone == "UTC":
        return dt.datetime.combine(day.date, dt.time())
    return _first_local(dt.datetime.combine(day.date, dt.time(), dt.UTC), ZoneInfo(zone))


def utc_of(local: dt.datetime, zone: str) -> dt.datetime:
    """Convert a local time to UTC by the rules of this module; both datetimes are naive."""
    place = ZoneInfo(zone)
    early, late = (local.replace(tzinfo=place, fold=fold).utcoffset() or dt.timedelta() for fold in (0, 1))
    if early < late:  # it never occurs
        return _last_change(local - early, late, place)
    return local - early


def day_of_local(local: dt.datetime, zone: str) -> Day:
    """Return the UTC day of a local time."""
    return Day(utc_of(local, zone).date())


def _first_local(moment: dt.datetime, place: ZoneInfo) -> dt.datetime:
    """Return the earliest local time that is not before a moment."""
    local = moment.astimezone(place)
    before = (moment - _SECOND).astimezone(place).utcoffset() or dt.timedelta()
    offset = local.utcoffset() or dt.timedelta()
    naive = moment.replace(tzinfo=None)
    if before < offset:  # the clocks are put forward at this moment
        return naive + before
    if local.fold:  # all local times until the second hour ends are of the first one
        first = local.replace(fold=0).utcoffset() or dt.timedelta()
        return _last_change(naive, offset, place) + first
    return naive + offset


def _last_change(after: dt.datetime, offset: dt.timedelta, place: ZoneInfo) -> dt.datetime:
    """Return the moment from which an offset holds, at most a day before another moment; both naive UTC."""
    late = after.replace(microsecond=0)
    early = late - dt.timedelta(days=1)
    while late - early > _SECOND:
        middle = (early + (late - early) // 2).replace(microsecond=0)
        if middle.replace(tzinfo=dt.UTC).astimezone(place).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late
