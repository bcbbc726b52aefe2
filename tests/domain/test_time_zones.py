"""Local times of a zone: the UTC day of each, and one range of them for each UTC day, as clocks change."""

# ruff: noqa: DTZ001  # local times are without a zone

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cluster_assets.domain.days import Day
from cluster_assets.domain.times.zones import check_zone, day_of_local, local_start, utc_of

ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Jerusalem",  # clocks change at midnight UTC
    "America/Havana",  # at its own midnight
    "Atlantic/Azores",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # lost a day
    "Africa/Casablanca",
    "America/Scoresbysund",
)
LOCAL = st.datetimes(dt.datetime(2005, 1, 1), dt.datetime(2030, 1, 1))


@given(LOCAL, st.sampled_from(ZONES))
@example(dt.datetime(2026, 3, 29, 2, 30), "Europe/Paris")
@example(dt.datetime(2026, 10, 25, 2, 30), "Europe/Paris")
@example(dt.datetime(2026, 3, 27, 2, 0), "Asia/Jerusalem")
@example(dt.datetime(2026, 3, 27, 2, 59, 59, 999_999), "Asia/Jerusalem")
@example(dt.datetime(2011, 12, 30, 12, 0), "Pacific/Apia")
def test_the_local_times_of_a_day_are_one_range(local: dt.datetime, zone: str) -> None:
    day = day_of_local(local, zone)
    assert local_start(day, zone) <= local < local_start(day.next, zone)


@given(LOCAL, st.sampled_from(ZONES))
def test_a_local_time_that_occurs_is_its_first_moment(local: dt.datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    moment = local.replace(tzinfo=place, fold=0).astimezone(dt.UTC)
    if moment.astimezone(place).replace(tzinfo=None) == local:
        assert utc_of(local, zone) == moment.replace(tzinfo=None)


@given(LOCAL, st.timedeltas(dt.timedelta(), dt.timedelta(hours=3)), st.sampled_from(ZONES))
def test_a_later_local_time_is_no_earlier_moment(local: dt.datetime, later: dt.timedelta, zone: str) -> None:
    assert utc_of(local, zone) <= utc_of(local + later, zone)


@pytest.mark.parametrize(
    ("local", "zone", "utc"),
    [
        # The clocks are put forward from 02:00 to 03:00 at 01:00 UTC, and back from 03:00 to 02:00.
        ("2026-03-29 01:59:59", "Europe/Paris", "2026-03-29 00:59:59"),
        ("2026-03-29 02:30:00", "Europe/Paris", "2026-03-29 01:00:00"),
        ("2026-03-29 03:00:00", "Europe/Paris", "2026-03-29 01:00:00"),
        ("2026-10-25 02:30:00", "Europe/Paris", "2026-10-25 00:30:00"),
        ("2026-10-25 03:00:00", "Europe/Paris", "2026-10-25 02:00:00"),
        ("2026-03-08 02:30:00", "America/New_York", "2026-03-08 07:00:00"),
        ("2026-11-01 01:30:00", "America/New_York", "2026-11-01 05:30:00"),
        ("2026-07-01 00:00:00", "Asia/Kolkata", "2026-06-30 18:30:00"),
    ],
)
def test_clock_changes(local: str, zone: str, utc: str) -> None:
    assert utc_of(dt.datetime.fromisoformat(local), zone) == dt.datetime.fromisoformat(utc)


def test_midnight_utc_within_the_hour_that_clocks_skip_or_repeat() -> None:
    forward, back = Day(dt.date(2026, 3, 27)), Day(dt.date(2012, 9, 23))
    assert local_start(forward, "Asia/Jerusalem") == dt.datetime(2026, 3, 27, 2, 0)
    # At 23:00 UTC of the 22nd the clocks went back from 02:00 to 01:00; 00:00 UTC is the second 02:00.
    assert local_start(back, "Asia/Jerusalem") == dt.datetime(2012, 9, 23, 2, 0)


@pytest.mark.parametrize("name", ["Europe/Pariss", "", "../x", "Europe", "CET+1", "localtime", "right/UTC"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone"):
        check_zone(name)
