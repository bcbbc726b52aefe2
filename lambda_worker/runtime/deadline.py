"""The time left for an event: work that cannot finish in time is refused before it starts."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lambda_worker.contract import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.contract import Event

# A reply needs a moment to be sent.
_RESERVE_S = 0.5


class _Clock:
    """The deadline of the event being answered; a worker answers one at a time."""

    def __init__(self) -> None:
        self.ends: float | None = None


_CLOCK = _Clock()


def deadline_of(event: Event, context: object) -> float | None:
    """Return the deadline in seconds since 1970: the earlier of the event's own and Lambda's."""
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    ends = [] if remaining is None else [time.time() + remaining() / 1000 - _RESERVE_S]
    if event.deadline is not None:
        ends.append(event.deadline)
    return min(ends, default=None)


@contextmanager
def keep_deadline(ends: float | None, seconds: float) -> Iterator[None]:
    """Have `check_deadline` watch the time inside the context.

    Args:
        ends: Seconds since 1970; None for no end.
        seconds: Approximate duration of the work.

    Raises:
        DeadlineError: Less time is left than the work takes.
    """
    _CLOCK.ends = ends
    try:
        check_deadline(seconds)
        yield
    finally:
        _CLOCK.ends = None


def check_deadline(seconds: float = 0.0) -> None:
    """Check the deadline; called once per batch.

    Raises:
        DeadlineError: Less than `seconds` are left.
    """
    if _CLOCK.ends is None:
        return
    left = _CLOCK.ends - time.time()
    if left < seconds or left <= 0:
        raise DeadlineError(f"{max(left, 0.0):.1f} s are left, the work takes {seconds:.1f} s more")
