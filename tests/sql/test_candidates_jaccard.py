"""Jaccard candidates are the pairs that brute force finds, for every threshold."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jaccard as scipy_jaccard

from cluster_assets.domain.tables import Column
from cluster_assets.metrics.jaccard import least_similarity
from cluster_assets.pipeline_spec import Distance

TOKENS = (Column("tokens", "array(varchar)"),)
RATIOS = sorted({p / q for q in range(1, 9) for p in range(1, q + 1)})
THRESHOLDS = st.one_of(
    st.sampled_from(RATIOS),
    st.sampled_from(RATIOS[:-1]).map(lambda ratio: math.nextafter(ratio, 1)),
    st.sampled_from(RATIOS).map(lambda ratio: math.nextafter(ratio, 0)),
    st.sampled_from([1e-300, 1e-9, 1 - 2**-53, 1 - 2**-50, 1 - 2**-40, 0.4, 0.7]),
    st.floats(0, 1, exclude_min=True),
)
ALPHABET = ["a", "b", "c", "d", "e", "f", "", "é", "e\u0301", "\U0001f600", "'", '"']
SETS = st.lists(
    st.frozensets(st.sampled_from(ALPHABET), min_size=1, max_size=7), min_size=0, max_size=14, unique=True
)


def distance(a: frozenset[str], b: frozenset[str]) -> float:
    return (len(a) + len(b) - 2 * len(a & b)) / len(a | b)


def brute(sets: list[frozenset[str]], threshold: float) -> list[tuple[int, int, float]]:
    pairs = ((a, b, distance(sets[a], sets[b])) for a, b in itertools.combinations(range(len(sets)), 2))
    return [pair for pair in pairs if pair[2] <= threshold]


@settings(max_examples=40, deadline=None)
@given(SETS, THRESHOLDS)
def test_pairs_and_distances_equal_brute_force(
    lake: Any, sets: list[frozenset[str]], threshold: float
) -> None:
    pairs = lake.candidates(
        Distance(metric="jaccard", threshold=threshold), TOKENS, [(sorted(tokens),) for tokens in sets]
    )
    assert pairs == brute(sets, threshold)


@pytest.mark.parametrize("threshold", [0.05, 0.2, 1 / 3, 0.5, 0.75, 0.95])
def test_long_sets_of_skewed_tokens(lake: Any, threshold: float) -> None:
    chance = random.Random(7)  # noqa: S311
    sets: list[frozenset[str]] = []
    for _ in range(250):
        size = chance.randint(1, 40)
        tokens = {str(int(chance.paretovariate(0.6))) for _ in range(size)}
        sets.append(frozenset(tokens))
        sets.append(
            frozenset(chance.sample(sorted(tokens), max(1, len(tokens) - 2))) | {str(chance.random())}
        )
    sets = sorted(set(sets), key=sorted)
    pairs = lake.candidates(
        Distance(metric="jaccard", threshold=threshold), TOKENS, [(sorted(tokens),) for tokens in sets]
    )
    assert pairs == brute(sets, threshold)
    assert len(pairs) > 50 or threshold < 0.2


def test_the_distance_is_scipys() -> None:
    chance = random.Random(3)  # noqa: S311
    for _ in range(200):
        a = [chance.random() < 0.5 for _ in range(9)] + [True]
        b = [chance.random() < 0.5 for _ in range(9)] + [True]
        as_sets = [frozenset(str(k) for k, held in enumerate(mask) if held) for mask in (a, b)]
        assert distance(*as_sets) == scipy_jaccard(a, b)


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_bounds_lie_below_what_near_pairs_reach(threshold: float) -> None:
    similarity, share = least_similarity(threshold)
    # The least real similarity that a distance rounded down to the threshold may stand for.
    reached = 1 - Fraction(threshold) * (1 + Fraction(1, 2**52))
    assert 0 <= Fraction(similarity) <= max(reached, Fraction(0))
    assert 0 <= Fraction(share) <= max(reached / (1 + reached), Fraction(0))
