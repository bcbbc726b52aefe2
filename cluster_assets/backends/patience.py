"""Policy for retries and polling, built on tenacity; every wait can be stopped.

Pauses use "full jitter" (M. Brooker, "Exponential backoff and jitter", 2015): they are drawn from the whole
interval, so that callers that were refused together do not retry together.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NoReturn, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    stop_before_delay,
    wait_exponential,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


class StoppedError(Exception):
    """The waiting thread was interrupted; never raised out of a backend."""


class Exhausted(Exception):  # noqa: N818  # the end of the retries, not the fault
    """A transient fault persisted until the retries ended; `__cause__` is the last error."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to retry.

    Attributes:
        attempts: Maximum number of calls.
        seconds: No attempt starts later than this after the first one.
        first_wait_s: Upper bound of the first pause; it doubles each time.
        longest_wait_s: Upper bound of every pause.
    """

    attempts: int = 10
    seconds: float = 180.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0

    def pause(self, failures: int) -> float:
        """Draw the seconds to wait after a number of failures, uniformly from zero to the bound."""
        bound = min(self.longest_wait_s, self.first_wait_s * 2 ** min(failures - 1, 32))
        return random.uniform(0, bound)  # noqa: S311  # not a secret

    def call(
        self,
        call: Callable[[int], _Result],
        passes: Callable[[BaseException], bool],
        wait: Callable[[float], bool],
    ) -> _Result:
        """Call until it succeeds, fails permanently, or the retries are exhausted.

        Args:
            call: Takes the number of the attempt, from 0. It must be safe to repeat after a failure.
            passes: Whether an error is transient; other errors are raised unchanged.
            wait: Pauses for some seconds and returns true to stop, like `threading.Event.wait`.

        Raises:
            StoppedError: `wait` returned true.
            Exhausted: The fault persisted.
        """
        numbers = count()
        pause_or_stop = _stoppable(wait)
        pause_or_stop(0)
        return Retrying(
            retry=retry_if_exception(passes),
            wait=lambda state: self.pause(state.attempt_number),
            stop=stop_after_attempt(self.attempts) | stop_before_delay(self.seconds),
            sleep=pause_or_stop,
            retry_error_callback=_give_up,
        )(lambda: call(next(numbers)))


def poll(
    look: Callable[[], _Result | None],
    wait: Callable[[float], bool],
    *,
    first_s: float,
    longest_s: float,
    seconds: float,
) -> _Result | None:
    """Call `look` until it returns a value; None after a timeout.

    Args:
        look: Returns None while there is no result.
        wait: As in `Patience.call`.
        first_s: First pause; each further one is half as long again.
        longest_s: Upper bound of every pause.
        seconds: Timeout; the first unsuccessful look after it is the last.

    Raises:
        StoppedError: `wait` returned true.
    """
    return Retrying(
        retry=retry_if_result(lambda found: found is None),
        wait=wait_exponential(multiplier=first_s, exp_base=1.5, max=longest_s),
        stop=stop_after_delay(seconds),
        sleep=_stoppable(wait),
        retry_error_callback=lambda _: None,
    )(look)


def _stoppable(wait: Callable[[float], bool]) -> Callable[[float], None]:
    def pause(seconds: float) -> None:
        if wait(seconds):
            raise StoppedError

    return pause


def _give_up(state: RetryCallState) -> NoReturn:
    last = state.outcome.exception() if state.outcome else None
    took = state.seconds_since_start or 0.0
    raise Exhausted(f"kept failing over {state.attempt_number} attempts in {took:.0f} s: {last}") from last
