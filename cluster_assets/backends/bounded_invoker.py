"""The shared part of the worker's invokers: a bounded number of concurrent calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Self

from cluster_assets.domain.errors import WorkerThrottledError

if TYPE_CHECKING:
    from collections.abc import Iterator


class BoundedInvoker(ABC):
    """An invoker with slots for concurrent calls; a context manager that closes it on exit.

    Args:
        max_concurrency: Number of slots.
        queue_timeout_s: Seconds that a call waits for a slot.
    """

    def __init__(self, max_concurrency: int, queue_timeout_s: float) -> None:
        self._max_concurrency = max_concurrency
        self._queue_timeout_s = queue_timeout_s
        self._slots = BoundedSemaphore(max_concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def max_concurrency(self) -> int:
        """Maximum number of concurrent calls; further calls wait."""
        return self._max_concurrency

    @abstractmethod
    def close(self) -> None:
        """Stop every worker this invoker started, and every wait."""

    @contextmanager
    def _slot(self) -> Iterator[None]:
        """Hold a slot.

        Raises:
            WorkerThrottledError: No slot became free in time.
        """
        if not self._slots.acquire(timeout=self._queue_timeout_s):
            raise WorkerThrottledError(
                f"all {self._max_concurrency} slots were busy for {self._queue_timeout_s:g} s",
                remedy="raise limits.max_concurrency, or run fewer days at a time",
            )
        try:
            yield
        finally:
            self._slots.release()
