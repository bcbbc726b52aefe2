"""What a local Lambda function is: code, handler and the limits it runs under."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.limits import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class LocalLambdaConfig:
    """A function of the local Lambda runtime.

    Attributes:
        task_root: Folder with the code, what `/var/task` is on AWS.
        handler: `package.module.function` below it.
        memory_mb: Resident memory at which a sandbox is killed, in MiB.
        timeout_s: Seconds an invocation may take.
        max_concurrency: Sandboxes, hence invocations, at a time.
        queue_timeout_s: Seconds a caller waits for a free sandbox before it is throttled.
        environment: Further variables of the sandboxes; they inherit none but PATH.

    Raises:
        SpecError: A limit is outside what AWS Lambda allows.
    """

    task_root: Path
    handler: str
    memory_mb: int
    timeout_s: float
    max_concurrency: int
    queue_timeout_s: float = LAMBDA_MAX_TIMEOUT_S
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least, most = LAMBDA_MEMORY_MB
        if not least <= self.memory_mb <= most:
            raise _out_of_range("memory_mb", self.memory_mb, f"{least} to {most} MiB")
        if not 0 < self.timeout_s <= LAMBDA_MAX_TIMEOUT_S:
            raise _out_of_range("timeout_s", self.timeout_s, f"more than 0, at most {LAMBDA_MAX_TIMEOUT_S} s")
        if self.max_concurrency < 1:
            raise _out_of_range("max_concurrency", self.max_concurrency, "1 or more")
        if self.queue_timeout_s < 0:
            raise _out_of_range("queue_timeout_s", self.queue_timeout_s, "0 or more")


def _out_of_range(name: str, value: float, allowed: str) -> SpecError:
    return SpecError(f"{name} is {value}", where=f"limits.{name}", remedy=f"AWS Lambda allows {allowed}")
