"""A sandbox: a process that runs the worker's code in AWS's runtime client under Lambda's limits."""

from __future__ import annotations

import os
import queue
import sys
import time
import uuid
from threading import Lock
from typing import TYPE_CHECKING

from cluster_assets.backends.local.runtime_api import Invocation, Report, ReportKind, RuntimeApi
from cluster_assets.backends.local.sandbox_process import SandboxProcess, peak_resident_bytes
from cluster_assets.domain.costs import LAMBDA_INIT_TIMEOUT_S, LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from cluster_assets.backends.local.sandbox_process import LocalLambdaConfig

_FUNCTION_NAME = "cluster-worker"
_FUNCTION_ARN = f"arn:aws:lambda:local:000000000000:function:{_FUNCTION_NAME}"
# Interval for checks of process, memory and deadline; a report wakes the caller immediately.
_WATCH_S = 0.01


class Sandbox:
    """A process that handles one invocation at a time and stays warm between them.

    Not thread-safe, except `stop`. After an exception the state of the process is undefined: stop it and
    create a new one. An exception of the handler is returned as a report of kind ERROR.
    """

    def __init__(self, config: LocalLambdaConfig) -> None:
        self._config = config
        self._api = RuntimeApi(LAMBDA_PAYLOAD_BYTES)
        self._process: SandboxProcess | None = None
        self._lock = Lock()
        self._stopped = False

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.alive

    def start(self) -> float:
        """Start the process and wait until it asks for its first invocation.

        Returns:
            Seconds of the cold start.

        Raises:
            WorkerCrashedError: The handler could not be imported, or the process died.
            WorkerTimeoutError: Initialization took longer than on AWS.
            WorkerMemoryError: Initialization exceeded the memory of the function.
        """
        began = time.monotonic()
        process = self._start_process()
        # AWS allows 10 s for the init phase, then retries within the function's own timeout.
        allowed = LAMBDA_INIT_TIMEOUT_S + self._config.timeout_s
        report = self._await_report(process, allowed, "initialization")
        if report.kind is ReportKind.INIT_ERROR:
            raise WorkerCrashedError(
                f"the worker could not be initialized: {report.failure.text}",
                where=f"handler {self._config.handler} in {self._config.task_root}",
                remedy="correct the import of the handler's module",
            )
        return time.monotonic() - began

    def invoke(self, body: bytes) -> Report:
        """Run one invocation.

        Args:
            body: The event as JSON.

        Returns:
            A report of kind RESPONSE or ERROR.

        Raises:
            WorkerTimeoutError: The invocation exceeded `timeout_s` and was killed.
            WorkerMemoryError: The process exceeded `memory_mb` and was killed.
            WorkerPayloadError: The response exceeds Lambda's limit.
            WorkerCrashedError: The process died.
        """
        process = self._process
        if process is None:
            raise WorkerCrashedError("the worker was called before it was started")
        deadline_ms = int((time.time() + self._config.timeout_s) * 1000)
        self._api.offer(Invocation(str(uuid.uuid4()), body, deadline_ms, _FUNCTION_ARN))
        report = self._await_report(process, self._config.timeout_s, "the invocation")
        if report.kind is ReportKind.OVERSIZE:
            raise WorkerPayloadError(
                f"the response has {report.size} bytes; LAMBDA_PAYLOAD_BYTES is {LAMBDA_PAYLOAD_BYTES}",
                where=self._where(process),
                remedy="return addresses of data, not data",
            )
        self._check_memory(process)
        return report

    def stop(self) -> None:
        """Kill the process and its children, and wait until they have ended.

        May be called from any thread, repeatedly.
        """
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        if self._process is not None:
            self._process.kill()
        self._api.close()

    def _start_process(self) -> SandboxProcess:
        config = self._config
        with self._lock:
            if self._stopped:
                raise WorkerCrashedError("the worker was stopped before it started")
            # Stored before it starts, so that an interrupt can stop it.
            process = SandboxProcess(config.handler, config.task_root, self._environment())
            self._process = process
            try:
                process.start()
            except OSError as error:
                raise WorkerCrashedError(
                    f"the worker process could not be started: {error}", where=str(config.task_root)
                ) from error
            return process

    def _environment(self) -> dict[str, str]:
        """Return Lambda's variables and PATH, and nothing else of the parent's, which may hold secrets."""
        config = self._config
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
            "AWS_LAMBDA_FUNCTION_NAME": _FUNCTION_NAME,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_TASK_ROOT": str(config.task_root),
            "_HANDLER": config.handler,
            "PYTHONPATH": str(config.task_root),
            "PYTHONDONTWRITEBYTECODE": "1",  # the task root is read-only on AWS
            **config.environment,
        }

    def _await_report(self, process: SandboxProcess, allowed_s: float, what: str) -> Report:
        deadline = time.monotonic() + allowed_s
        while True:
            # Checked before the queue, so that the last report of a process is never missed.
            alive = process.alive
            try:
                return self._api.reports.get(timeout=_WATCH_S)
            except queue.Empty:
                if not alive:
                    raise WorkerCrashedError(
                        f"the worker process died during {what} ({process.exit_text})",
                        where=self._where(process),
                    ) from None
            self._check_memory(process)
            if time.monotonic() > deadline:
                process.kill()
                raise WorkerTimeoutError(
                    f"{what} ran longer than {allowed_s:g} s and was stopped",
                    where=self._where(process),
                    remedy="raise limits.timeout_s, or give the worker less to do",
                )

    def _check_memory(self, process: SandboxProcess) -> None:
        peak = peak_resident_bytes(process.pid) if process.alive else 0
        if peak > self._config.memory_mb << 20:
            process.kill()
            raise WorkerMemoryError(
                f"the worker used {peak >> 20} MiB of its {self._config.memory_mb} MiB and was stopped",
                where=self._where(process),
                remedy="raise limits.memory_mb",
            )

    def _where(self, process: SandboxProcess) -> str:
        """Return the process id and its last log lines, for messages."""
        lines = process.last_log_lines()
        log = "; its last log lines:" + "".join(f"\n    {line}" for line in lines) if lines else ""
        return f"local worker process {process.pid}, handler {self._config.handler}{log}"
