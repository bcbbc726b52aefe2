"""Formats of times: what Python, RE2 and the guesses make of the same texts."""

# ruff: noqa: DTZ001, DTZ007  # formats without a zone give times without one

from __future__ import annotations

import datetime as dt

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.domain.times.formats import check_time_format, read_format
from cluster_assets.domain.times.guesses import formats_of, shown_reading

FORMATS = (
    "%d/%m/%Y",
    "%m/%d/%Y %I:%M %p",
    "%Y%m%d",
    "%Y%m%d%H%M%S",
    "%b %d %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "[%d/%b/%Y:%H:%M:%S %z]",
    "%d.%m.%y %H:%M:%S.%f",
    "100%% %Y-%m-%d",
)
TIMES = st.datetimes(dt.datetime(2001, 1, 1), dt.datetime(2060, 1, 1), timezones=st.just(dt.UTC))


@given(TIMES, st.sampled_from(FORMATS))
def test_what_python_writes_is_read_as_python_reads_it(time: dt.datetime, form: str) -> None:
    text = time.strftime(form)
    assert read_format(form).read(text) == dt.datetime.strptime(text, form)
    assert form in formats_of(text) or "%%" in form


@given(st.text("0123456789/ -:JanFebAPMz+", max_size=20), st.sampled_from(FORMATS))
def test_the_pattern_is_the_same_for_the_engine(text: str, form: str) -> None:
    made = read_format(form)
    query = "SELECT regexp_matches(?, ?)"
    fits = duckdb.execute(query, [text, f"^{made.pattern}$"]).fetchall()[0][0]
    # A day of the form 30 February fits and is none.
    assert fits or made.read(text) is None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y", "02/03/26"),
        ("%d/%m/%Y", "32/03/2026"),
        ("%d/%m/%Y", "13/13/2026"),
        ("%d/%m/%Y", "02/03/2026 "),
        ("%d/%m/%Y", "x02/03/2026"),
        ("%d/%m/%Y", "30/02/2026"),
        ("%Y%m%d", "2026031"),
        ("%d/%m/%y", "02/03/69"),
        ("%H:%M %d/%m/%Y", "24:00 02/03/2026"),
        ("%d/%m/%Y", "٠٢/03/2026"),
    ],
)
def test_what_a_format_does_not_say_is_not_read(form: str, text: str) -> None:
    assert read_format(form).read(text) is None


@pytest.mark.parametrize(
    "text", ["", "iso", "%d/%m", "%Y-%m-%d %", "%Y-%m-%d %Q", "%Y-%m-%d %d", "%Y-%m-%d %H %p", "%-d/%m/%Y"]
)
def test_formats_that_tell_no_day_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_time_format(text)


def test_readings_of_an_ambiguous_day() -> None:
    assert formats_of("02/03/2026") == ("%d/%m/%Y", "%m/%d/%Y")
    assert formats_of("13/03/2026") == ("%d/%m/%Y",)
    assert formats_of("02/03/04") == ("%d/%m/%y", "%m/%d/%y", "%y/%m/%d")
    assert shown_reading("%d/%m/%Y", "02/03/2026") == "2 March 2026 (%d/%m/%Y)"
    assert shown_reading("epoch_millis", "1772409600000") == "2 March 2026 00:00:00 (epoch_millis)"
