"""A local AWS Lambda: AWS's own runtime client in warm processes, with Lambda's limits.

It needs no container and no network: each sandbox is a child process that talks to a Runtime API server on
127.0.0.1. Failures of time, memory, payload, concurrency or import occur here as they do on AWS.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.bounded_invoker import BoundedInvoker
from cluster_assets.backends.local.runtime_api import Report, ReportKind
from cluster_assets.backends.local.sandbox import Sandbox
from cluster_assets.backends.local.sandbox_process import LocalLambdaConfig
from cluster_assets.backends.payloads import decode_reply, encode_event
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LocalLambda", "LocalLambdaConfig"]


class LocalLambda(BoundedInvoker):
    """Calls the worker in local sandboxes; a thread-safe `Invoker`.

    Sandboxes start on demand and stay warm; a dead one is replaced at the next call.

    Attributes:
        cold_starts: Start time of each sandbox in seconds, in order.
    """

    is_billed = False

    def __init__(self, config: LocalLambdaConfig) -> None:
        super().__init__(config.max_concurrency, config.queue_timeout_s)
        self._config = config
        self._lock = Lock()
        self._sandboxes: set[Sandbox] = set()
        self._idle: list[Sandbox] = []
        self._closed = False
        self.cold_starts: list[float] = []

    def invoke(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one event and return the reply.

        Args:
            event: A JSON object.

        Returns:
            The handler's reply.

        Raises:
            WorkerPayloadError: Request or response exceeds Lambda's limit.
            WorkerThrottledError: No slot became free within `queue_timeout_s`.
            WorkerTimeoutError: The invocation ran out of time.
            WorkerMemoryError: The invocation ran out of memory.
            WorkerCrashedError: The process died, could not start, or the invoker was closed.
            WorkerError: The handler raised an exception; the message contains its type and text.
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

    def _run(self, body: bytes) -> Report:
        sandbox = self._take_idle() or self._make()
        try:
            report = sandbox.invoke(body)
        except BaseException:  # including interrupts, after which the result is not needed
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
