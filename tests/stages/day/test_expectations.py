"""Expected ranges from earlier days, and their robustness against a few outliers."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import median_abs_deviation

from cluster_assets.domain.expectations import CheckOutcome, expected_range, read_outcomes, write_outcomes

COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=14)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=14)


@given(COUNTS, st.floats(0, 5), st.floats(0, 10))
def test_the_median_is_always_expected(counts: list[int], tolerance: float, deviations: float) -> None:
    expected = expected_range(counts, deviations=deviations, tolerance=tolerance, scale="ratio")
    assert statistics.median_low(counts) <= expected.high * (1 + 1e-9)
    assert statistics.median_high(counts) >= expected.low * (1 - 1e-9)
    assert expected.low <= expected.center * (1 + 1e-9)


@given(SHARES)
def test_shares_follow_scipys_deviation(shares: list[float]) -> None:
    expected = expected_range(shares, deviations=3, tolerance=0, scale="difference")
    reach = 3 * 1.4826 * median_abs_deviation(shares)
    assert expected.low == pytest.approx(np.median(shares) - reach, abs=1e-8)
    assert expected.high == pytest.approx(np.median(shares) + reach, abs=1e-8)


@given(st.integers(100, 10**6))
def test_half_and_double_are_within_a_tolerance_of_one(count: int) -> None:
    expected = expected_range([count] * 5, deviations=5, tolerance=1.0, scale="ratio")
    assert count * 2 in expected
    assert (count + 1) // 2 in expected
    assert count * 2.2 not in expected
    assert count * 0.4 not in expected


def test_an_odd_day_does_not_widen_the_range() -> None:
    days = [1000, 1010, 990, 1005, 995, 1002, 998]
    calm = expected_range(days, deviations=5, tolerance=0.1, scale="ratio")
    odd = expected_range([*days, 1_000_000], deviations=5, tolerance=0.1, scale="ratio")
    assert odd.high == pytest.approx(calm.high, rel=0.02)
    assert 2000 not in odd


def test_restless_days_widen_it() -> None:
    days = [100, 1_000, 200, 5_000, 400, 900, 50]
    assert 20_000 in expected_range(days, deviations=5, tolerance=0.1, scale="ratio")


OUTCOMES = st.builds(
    CheckOutcome,
    name=st.text(max_size=5),
    passed=st.booleans(),
    blocking=st.booleans(),
    description=st.text(max_size=20),
    numbers=st.dictionaries(
        st.text(max_size=3), st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
    ),
    days=st.lists(st.dates().map(str), max_size=3).map(tuple),
)


@given(st.lists(OUTCOMES, max_size=4))
def test_outcomes_are_read_as_they_were_written(outcomes: list[CheckOutcome]) -> None:
    assert list(read_outcomes(write_outcomes(outcomes))) == outcomes


def test_fields_of_a_later_version_are_left_out() -> None:
    text = '[{"name": "a", "passed": true, "blocking": false, "description": "", "colour": "red"}]'
    assert read_outcomes(text) == (CheckOutcome("a", True, False, ""),)
