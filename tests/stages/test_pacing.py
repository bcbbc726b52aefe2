"""The window of calls under way, and the waits between them."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.domain.pacing import Backoff, Window


def test_a_window_of_successes_allows_one_more_call() -> None:
    window = Window(100, first=4)
    for _ in range(5):  # a little more than one window, because it grows meanwhile
        window.grow()
    assert window.size == 5


def test_throttled_calls_that_were_under_way_together_halve_the_window_once() -> None:
    window = Window(100, first=16)
    calls = [window.begin() for _ in range(16)]
    for call in calls:
        window.shrink(call)
    assert window.size == 8
    window.shrink(window.begin())
    assert window.size == 4


@given(st.lists(st.booleans(), max_size=300), st.integers(1, 50))
def test_the_window_stays_between_one_and_its_limit(successes: list[bool], most: int) -> None:
    window = Window(most)
    for success in successes:
        call = window.begin()
        if success:
            window.grow()
        else:
            window.shrink(call)
        assert 1 <= window.size <= most


@given(st.integers(1, 10_000), st.integers(0, 2**32), st.floats(0, 60))
def test_a_wait_is_as_long_as_asked_and_no_longer_than_the_limit(
    attempt: int, seed: int, asked: float
) -> None:
    wait = Backoff(0.1, 5.0).wait_s(attempt, Random(seed), asked)
    assert asked <= wait <= asked + 5.0


def test_waits_grow_and_differ() -> None:
    backoff, random = Backoff(0.1, 1000.0), Random(7)
    short = [backoff.wait_s(1, random) for _ in range(200)]
    long = [backoff.wait_s(8, random) for _ in range(200)]
    assert max(short) <= 0.2 < sum(long) / len(long)
    assert len(set(short)) == len(short)
