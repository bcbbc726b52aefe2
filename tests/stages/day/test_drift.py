"""The population stability index, against numpy and by its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2

from cluster_assets.stages.day.drift import ORDERED_BINS, Histogram, _chi_square, measure_drift, psi

COUNTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=30)
PAIRS = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 10_000), min_size=n, max_size=n)] * 2)
)
BINS = st.dictionaries(st.integers(-3000, 3000).map(str), st.integers(1, 1000), min_size=1, max_size=60)
NAMES = st.dictionaries(st.text("abc", max_size=3).map("={}".format), st.integers(1, 1000), min_size=1)


def numpy_psi(counts: list[int], others: list[int]) -> float:
    """The definition, with half an entity more in each bin."""
    p, q = (np.asarray(one, np.float64) + 0.5 for one in (counts, others))
    p, q = p / p.sum(), q / q.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def histogram(counts: dict[str, int]) -> Histogram:
    total = sum(counts.values())
    return Histogram({name: count / total for name, count in counts.items()}, total)


@given(PAIRS)
def test_it_is_the_definition(pair: tuple[list[int], list[int]]) -> None:
    assert psi(*pair) == pytest.approx(numpy_psi(*pair), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_equal_histograms_have_none(counts: list[int]) -> None:
    assert psi(counts, counts) == 0.0


@given(PAIRS)
def test_it_is_symmetric_and_never_negative(pair: tuple[list[int], list[int]]) -> None:
    counts, others = pair
    assert psi(counts, others) == pytest.approx(psi(others, counts), rel=1e-9, abs=1e-12)
    assert psi(counts, others) >= -1e-12


@given(st.one_of(BINS, NAMES), st.one_of(BINS, NAMES))
def test_a_feature_drifts_as_far_there_as_back(one: dict[str, int], other: dict[str, int]) -> None:
    there = measure_drift("x", histogram(one), histogram(other))
    back = measure_drift("x", histogram(other), histogram(one))
    assert there.psi == pytest.approx(back.psi, rel=1e-9, abs=1e-12)
    assert there.bins == back.bins
    assert there.chance == pytest.approx(back.chance)


@given(st.one_of(BINS, NAMES))
def test_a_feature_that_stays_does_not_drift(counts: dict[str, int]) -> None:
    drift = measure_drift("x", histogram(counts), histogram(counts))
    assert drift.psi == pytest.approx(0.0, abs=1e-12)
    assert drift.bins >= 1
    assert drift.chance >= 0.0


@given(BINS, BINS)
def test_fine_bins_are_put_together_in_order(one: dict[str, int], other: dict[str, int]) -> None:
    assert measure_drift("x", histogram(one), histogram(other)).bins <= ORDERED_BINS


@given(BINS)
def test_a_number_that_leaves_its_bins_drifts_far(counts: dict[str, int]) -> None:
    assume(sum(counts.values()) >= 100)
    moved = {str(int(name) + 10_000): count for name, count in counts.items()}
    assert measure_drift("x", histogram(moved), histogram(counts)).psi > 5


def test_samples_of_one_population_stay_below_what_chance_allows() -> None:
    random = np.random.default_rng(7)
    shares = np.array([0.3, 0.2, 0.15, 0.15, 0.1, 0.06, 0.04])

    def drawn(size: int) -> Histogram:
        return histogram({f"={k}": int(n) for k, n in enumerate(random.multinomial(size, shares)) if n})

    for size in (50, 500, 5_000):
        drifts = [measure_drift("x", drawn(size), drawn(10 * size)) for _ in range(1_000)]
        assert np.mean([drift.psi <= drift.chance for drift in drifts]) > 0.97
        assert np.mean([drift.psi > drift.chance / 4 for drift in drifts]) > 0.3  # nor is it far too much


@pytest.mark.parametrize("freedom", [1, 2, 5, 9, 50])
def test_the_quantile_is_scipys(freedom: int) -> None:
    assert _chi_square(freedom) == pytest.approx(chi2.ppf(0.99, freedom), rel=0.015)


def test_a_rare_category_is_counted_among_the_others() -> None:
    today = histogram({"=a": 995, "=b": 5})
    before = histogram({"=a": 995, "=c": 5})
    assert measure_drift("x", today, before).psi == 0.0


def test_a_new_large_category_is_seen() -> None:
    today, before = histogram({"=a": 500, "=new": 500}), histogram({"=a": 1_000})
    assert measure_drift("x", today, before).psi > 2
    assert math.isfinite(measure_drift("x", today, before).psi)
