"""Waits that end with an event. Only a test that hangs reaches their time limit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

_Value = TypeVar("_Value")

# For every timeout of a test: no step takes a minute on an idle machine.
LONGEST_S = 900.0


def wait_for(what: str, condition: Callable[[], _Value], pause_s: float = 0.01) -> _Value:
    """Wait until a condition holds.

    Args:
        what: The event, for the message if it never happens.
        condition: Called again and again; an assertion in it ends the wait.
        pause_s: Seconds between two calls.

    Returns:
        The first true value of the condition.
    """
    ends = time.monotonic() + LONGEST_S
    while not (value := condition()):
        assert time.monotonic() < ends, f"waited {LONGEST_S:g} s for this: {what}"
        time.sleep(pause_s)
    return value
