"""Retries and polls: how often, how long apart, and what ends them. No test waits: pauses are recorded."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.backends.patience import Exhausted, Patience, StoppedError, poll


class Pauses:
    """A wait that takes no time; the n-th, from 1, says to stop."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.seconds: list[float] = []
        self._stop_at = stop_at

    def __call__(self, seconds: float) -> bool:
        if seconds:
            self.seconds.append(seconds)
        return len(self.seconds) == self._stop_at


def fails_until(success: int, calls: list[int]) -> int:
    if calls[-1] < success:
        raise ConnectionError(f"no answer {calls[-1]}")
    return calls[-1]


def is_refusal(error: BaseException) -> bool:
    return isinstance(error, ConnectionError)


@given(st.integers(1, 10_000), st.floats(0.001, 5), st.floats(0.001, 60))
def test_pauses_are_bounded(failures: int, first: float, longest: float) -> None:
    pause = Patience(first_wait_s=first, longest_wait_s=longest).pause(failures)
    assert 0 <= pause <= min(longest, first * 2.0 ** min(failures - 1, 100))


def test_pauses_grow_and_differ() -> None:
    patience = Patience(first_wait_s=0.2, longest_wait_s=1000)
    short = [patience.pause(1) for _ in range(200)]
    long = [patience.pause(8) for _ in range(200)]
    assert max(short) <= 0.2 < sum(long) / len(long)
    assert len(set(short)) == len(short)


@pytest.mark.parametrize("needed", [0, 1, 4])
def test_a_fault_that_passes_is_tried_again_and_attempts_are_numbered(needed: int) -> None:
    calls: list[int] = []
    pauses = Pauses()

    def call(attempt: int) -> int:
        calls.append(attempt)
        return fails_until(needed, calls)

    assert Patience(attempts=5).call(call, is_refusal, pauses) == needed
    assert calls == list(range(needed + 1))
    assert len(pauses.seconds) == needed


def test_patience_ends_with_its_attempts_and_names_the_last_fault() -> None:
    calls: list[int] = []

    def call(attempt: int) -> int:
        calls.append(attempt)
        return fails_until(100, calls)

    with pytest.raises(Exhausted, match="over 3 attempts in 0 s: no answer 2") as caught:
        Patience(attempts=3).call(call, is_refusal, Pauses())
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_no_attempt_begins_after_the_time() -> None:
    pauses = Pauses()
    with pytest.raises(Exhausted, match="over 1 attempts"):
        Patience(seconds=0).call(lambda _: fails_until(1, [0]), is_refusal, pauses)
    assert not pauses.seconds


@pytest.mark.parametrize("error", [ValueError("it stays"), KeyboardInterrupt()])
def test_other_faults_and_interrupts_are_raised_as_they_are(error: BaseException) -> None:
    calls: list[int] = []

    def call(attempt: int) -> None:
        calls.append(attempt)
        raise error

    with pytest.raises(type(error)) as caught:
        Patience().call(call, is_refusal, Pauses())
    assert caught.value is error
    assert calls == [0]


def test_a_stop_ends_retries_before_a_call_and_during_a_pause() -> None:
    calls: list[int] = []

    def call(attempt: int) -> int:
        calls.append(attempt)
        return fails_until(100, calls)

    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        Patience().call(call, is_refusal, stop.wait)
    assert not calls
    with pytest.raises(StoppedError):
        Patience().call(call, is_refusal, Pauses(stop_at=2))
    assert calls == [0, 1]


def test_a_poll_looks_until_something_is_there_at_growing_pauses() -> None:
    looks = iter([None, None, None, None, "answer"])
    pauses = Pauses()
    assert poll(lambda: next(looks), pauses, first_s=0.4, longest_s=1, seconds=60) == "answer"
    assert pauses.seconds == pytest.approx([0.4, 0.6, 0.9, 1.0])


def test_a_poll_ends_with_its_time_a_stop_or_a_fault() -> None:
    assert poll(lambda: None, Pauses(), first_s=0.4, longest_s=1, seconds=0) is None
    with pytest.raises(StoppedError):
        poll(lambda: None, Pauses(stop_at=3), first_s=0.4, longest_s=1, seconds=60)
    with pytest.raises(ConnectionError):
        poll(lambda: fails_until(1, [0]), Pauses(), first_s=0.4, longest_s=1, seconds=60)
