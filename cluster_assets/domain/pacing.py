"""How fast to call the worker: a window that grows while calls succeed and halves when they are throttled.

Additive increase, multiplicative decrease (Chiu and Jain, Computer Networks and ISDN Systems 1989): callers
that share a quota converge to equal shares of it. Waits are drawn from the whole interval, "full jitter"
(M. Brooker, "Exponential backoff and jitter", 2015), so that those refused together do not return together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_WINDOW = 16


class Window:
    """Calls that may be under way at a time.

    Args:
        most: It never grows beyond.
        first: What it begins with.
    """

    def __init__(self, most: int, first: int = FIRST_WINDOW) -> None:
        self._most = max(1, most)
        self._size = float(min(self._most, max(1, first)))
        self._calls = 0
        self._shrunk_at = 0

    @property
    def size(self) -> int:
        """Whole calls, at least one."""
        return int(self._size)

    def begin(self) -> int:
        """Number of a call that begins now; `shrink` wants it back."""
        self._calls += 1
        return self._calls

    def grow(self) -> None:
        """A call succeeded: one more call at a time for each window of successes."""
        self._size = min(float(self._most), self._size + 1 / self._size)

    def shrink(self, call: int) -> None:
        """A call was throttled: half as many, once for all calls that were under way together."""
        if call > self._shrunk_at:
            self._size = max(1.0, self._size / 2)
            self._shrunk_at = self._calls


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a call is tried again.

    Attributes:
        base_s: Longest first wait.
        most_s: Longest wait of all.
    """

    base_s: float = 0.2
    most_s: float = 20.0

    def wait_s(self, attempt: int, random: Random, at_least_s: float = 0.0) -> float:
        """Seconds to wait after the n-th attempt failed, n from 1.

        Args:
            attempt: Which one failed.
            random: Where the jitter comes from.
            at_least_s: What the other side asked for.
        """
        longest = min(self.most_s, self.base_s * 2 ** min(attempt, 32))
        return at_least_s + random.uniform(0.0, longest)
