"""The process of a sandbox: it is started, monitored, killed with all its children, and always reaped.

`LocalLambdaConfig` describes a local Lambda function: its code, handler and limits.

`peak_resident_bytes` measures the peak memory of another process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from cluster_assets.domain.costs import LAMBDA_MAX_TIMEOUT_S, LAMBDA_MEMORY_MB
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAIN = Path(__file__).with_name("sandbox_main.py")
_LOG_LINES = 20
_LOG_LINE_BYTES = 1000
# Both take milliseconds, or seconds on an overloaded machine. Longer means that the kernel keeps the killed
# process (a hung mount), or that a child outside its group keeps its log open.
_REAP_S = 30.0
_LOG_END_S = 10.0


class SandboxProcess:
    """A child process in its own group that runs AWS's runtime client.

    Args:
        handler: `package.module.function`.
        folder: Working directory.
        environment: All environment variables; none are inherited.
    """

    def __init__(self, handler: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._command = [sys.executable, "-s", "-P", str(_MAIN), str(os.getpid()), handler]
        self._log: deque[str] = deque(maxlen=_LOG_LINES)
        self._lock = Lock()
        self._gone = Event()
        self._started: Future[subprocess.Popen[bytes]] = Future()
        self._keeper = Thread(target=self._keep, name="sandbox-keeper", daemon=True)
        self._reader = Thread(target=self._read_log, name="sandbox-log", daemon=True)

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: It could not be started.
        """
        self._keeper.start()
        self._started.result()
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return not self._gone.is_set()

    @property
    def exit_text(self) -> str:
        """Return how it ended: `exit status 3` or `signal SIGKILL`."""
        status = self._process.returncode
        if status is None:
            return "still running"
        return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"

    def last_log_lines(self) -> list[str]:
        """Return its last log lines, shortened; complete once it has ended."""
        if not self.alive and self._reader.ident:
            self._reader.join(_LOG_END_S)
        return list(self._log)

    def kill(self) -> None:
        """Kill the process and its children, and wait until it is reaped; no error if it has ended."""
        if self._keeper.ident is None or self._started.exception():
            return
        with self._lock:
            if not self._gone.is_set():
                self._kill_group()
        self._gone.wait(_REAP_S)

    @property
    def _process(self) -> subprocess.Popen[bytes]:
        return self._started.result()

    def _keep(self) -> None:
        """Start and reap the process in one thread that outlives it.

        Linux sends the parent-death signal when the *thread* that started a process ends, and callers
        may come from short-lived threads.
        """
        try:
            process = subprocess.Popen(  # noqa: S603 - our interpreter, our file
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            self._gone.set()
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        process.wait()
        with self._lock:
            # Its children die with it. Its id cannot belong to another group yet.
            self._kill_group()
            self._gone.set()

    def _kill_group(self) -> None:
        # macOS raises PermissionError for a group whose last process is a zombie.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as stream:
            while line := stream.readline(_LOG_LINE_BYTES):
                self._log.append(line.decode(errors="replace").rstrip())


@dataclass(frozen=True, slots=True)
class LocalLambdaConfig:
    """A function of the local Lambda runtime.

    Attributes:
        task_root: Folder with the code, like `/var/task` on AWS.
        handler: `package.module.function` below it.
        memory_mb: Resident memory at which a sandbox is killed, in MiB.
        timeout_s: Seconds an invocation may take.
        max_concurrency: Maximum number of sandboxes, and so of concurrent invocations.
        queue_timeout_s: Seconds a caller waits for a free sandbox before it is throttled.
        environment: Further variables of the sandboxes; they inherit only PATH.

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


_PROC = Path("/proc")


def peak_resident_bytes(pid: int) -> int:
    """Return the peak resident memory of a process so far, in bytes; 0 if it has ended.

    Linux records the peak (VmHWM), so no spike between two polls is missed. On other systems `ps` returns
    the current value, and the peak is the highest value polled.
    """
    if not _PROC.is_dir():
        return _present_resident_bytes(pid)
    try:
        status = (_PROC / str(pid) / "status").read_text()
    except OSError:  # it has exited and been reaped
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a zombie has no memory left


def _present_resident_bytes(pid: int) -> int:
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    text = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
    return int(text) * 1024 if text else 0
