"""What the server runs: Python functions, or real worker processes, whose deaths are reported as by AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.local.runtime_api import ReportKind
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.local.worker import LocalLambda

    Run = Callable[[bytes], bytes]


class WireFailure(Exception):  # noqa: N818  # the answer of an invocation that failed, not a fault of the server
    """An invocation that ends with `X-Amz-Function-Error`."""

    def __init__(self, error: dict[str, Any] | bytes) -> None:
        super().__init__(error)
        self.body = error if isinstance(error, bytes) else json.dumps(error).encode()


@dataclass
class Function:
    """A function with its versions.

    Attributes:
        run: Answers a payload, or raises `WireFailure`.
        versions: What qualifiers there are, and which version each stands for.
        state: Whether it can be called, and why not.
    """

    run: Run
    memory_mb: int = 1769
    timeout_s: int = 900
    versions: dict[str, str] = field(default_factory=lambda: {"$LATEST": "$LATEST", "3": "3", "live": "3"})
    state: tuple[str, str] = ("Active", "")


def in_sandboxes(worker: LocalLambda) -> Run:
    """Run payloads in the processes of a local Lambda."""

    def run(body: bytes) -> bytes:
        try:
            with worker._slot():
                report = worker._run(body)
        except WorkerError as error:
            raise WireFailure(_in_words_of_aws(error)) from error
        if report.kind is ReportKind.ERROR:
            raise WireFailure(report.body)
        return report.body

    return run


def _in_words_of_aws(error: WorkerError) -> dict[str, str]:
    words = {
        WorkerTimeoutError: ("Sandbox.Timedout", "Task timed out after 1.00 seconds"),
        WorkerMemoryError: ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        WorkerPayloadError: ("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum"),
        WorkerCrashedError: ("Runtime.ExitError", "Runtime exited with error: exit status 3"),
    }
    kind, message = words[type(error)]
    return {"errorType": kind, "errorMessage": f"RequestId: 5a1c Error: {message}"}
