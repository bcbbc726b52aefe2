"""AWS Lambda on this machine: AWS's own runtime client in warm processes, with Lambda's limits.

No container and no network: each sandbox is a child process that talks to a Runtime API server on
127.0.0.1. What fails on AWS (time, memory, payload, concurrency, a bad import) fails here in the same place.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING, Any, Self

from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerThrottledError,
)
from cluster_assets.invokers.local_lambda_config import LocalLambdaConfig
from cluster_assets.invokers.payloads import decode_reply, encode_event
from cluster_assets.invokers.runtime_api import Report, ReportKind
from cluster_assets.invokers.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LocalLambda", "LocalLambdaConfig"]


class LocalLambda:
    """Calls the worker in local sandboxes; an `Invoker`, safe from several threads.

    Sandboxes start when first needed and stay warm; a dead one is replaced at the next call.

    Attributes:
        cold_starts: Seconds each sandbox took to start, in order.
    """

    is_billed = False

    def __init__(self, config: LocalLambdaConfig) -> None:
        self._config = config
        self._slots = BoundedSemaphore(config.max_concurrency)
        self._lock = Lock()
        self._sandboxes: set[Sandbox] = set()
        self._idle: list[Sandbox] = []
        self._closed = False
        self.cold_starts: list[float] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def max_concurrency(self) -> int:
        """Calls at a time; further ones wait."""
        return self._config.max_concurrency

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run one event to its reply.

        Args:
            event: A JSON object.

        Returns:
            The handler's reply.

        Raises:
            WorkerPayloadError: Request or response is larger than Lambda carries.
            WorkerThrottledError: No slot became free within `queue_timeout_s`.
            WorkerTimeoutError: The invocation ran out of time.
            WorkerMemoryError: It ran out of memory.
            WorkerCrashedError: The process died, could not start, or the invoker was closed.
            WorkerError: The handler raised an exception; its type and message are told.
        """
        body = encode_event(event)
        with self._slot():
            report = self._run(body)
        return _decode(report)

    def close(self) -> None:
        """Stop every sandbox; running invocations fail. Further calls do nothing."""
        with self._lock:
            self._closed = True
            sandboxes = list(self._sandboxes)
            self._sandboxes.clear()
            self._idle.clear()
        for sandbox in sandboxes:
            sandbox.stop()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=self._config.queue_timeout_s):
            raise WorkerThrottledError(
                f"all {self._config.max_concurrency} slots were busy for {self._config.queue_timeout_s:g} s",
                remedy="raise limits.max_concurrency, or run fewer days at a time",
            )
        try:
            yield
        finally:
            self._slots.release()

    def _run(self, body: bytes) -> Report:
        sandbox = self._take_idle() or self._make()
        try:
            report = sandbox.invoke(body)
        except BaseException:  # an interrupt too: what it computes nobody waits for
            self._discard(sandbox)
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(sandbox)
        return report

    def _take_idle(self) -> Sandbox | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                sandbox = self._idle.pop()
            if sandbox.alive:
                return sandbox
            self._discard(sandbox)

    def _make(self) -> Sandbox:
        sandbox = Sandbox(self._config)
        try:
            self._register(sandbox)
            seconds = sandbox.start()
        except BaseException:
            self._discard(sandbox)
            raise
        self.cold_starts.append(seconds)
        return sandbox

    def _register(self, sandbox: Sandbox) -> None:
        with self._lock:
            if self._closed:
                raise WorkerCrashedError("the local worker is closed")
            self._sandboxes.add(sandbox)

    def _discard(self, sandbox: Sandbox) -> None:
        with self._lock:
            self._sandboxes.discard(sandbox)
        sandbox.stop()


def _decode(report: Report) -> Mapping[str, Any]:
    if report.kind is ReportKind.ERROR:
        failure = report.failure
        raise WorkerError(f"the worker failed with {failure.text}", where=failure.stack_frame)
    return decode_reply(report.body)
