"""A clock of the local sandboxes that a test moves on: a time limit is over when the test says so."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from waiting import wait_for

from cluster_assets.backends.local import sandbox
from cluster_assets.domain.costs import LAMBDA_MAX_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class SandboxClock:
    """The time module as the sandboxes see it."""

    def __init__(self) -> None:
        self._passed = 0.0

    time = staticmethod(time.time)

    def monotonic(self) -> float:
        """The real clock, and what passed on top."""
        return time.monotonic() + self._passed

    def expire(self) -> None:
        """Let more time pass than any invocation under way may take."""
        self._passed += 2 * LAMBDA_MAX_TIMEOUT_S

    def expire_after(self, what: str, condition: Callable[[], object]) -> None:
        """Do that as soon as a condition holds; `what` says which."""
        threading.Thread(target=lambda: wait_for(what, condition) and self.expire(), daemon=True).start()


@contextmanager
def sandbox_clock() -> Iterator[SandboxClock]:
    """Give the sandboxes of this process a clock to move on."""
    clock = SandboxClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "time", clock)
        yield clock
