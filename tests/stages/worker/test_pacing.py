"""The window of calls under way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.stages.worker.dispatch import Window


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
