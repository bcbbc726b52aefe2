"""The process of a sandbox: started, watched, killed with all its children, and always reaped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAIN = Path(__file__).with_name("sandbox_main.py")
_LOG_LINES = 20
_LOG_LINE_BYTES = 1000
# A killed process is gone within milliseconds; longer means that the kernel holds it (a hung mount).
_REAP_S = 5.0
_LOG_END_S = 1.0


class SandboxProcess:
    """A child process in a group of its own that runs AWS's runtime client.

    Args:
        handler: `package.module.function`.
        folder: Its working directory.
        environment: All its variables; it inherits none.
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
        """Process id, and id of its group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return not self._gone.is_set()

    @property
    def exit_text(self) -> str:
        """How it ended: `exit status 3` or `signal SIGKILL`."""
        status = self._process.returncode
        if status is None:
            return "still running"
        return f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"

    def last_log_lines(self) -> list[str]:
        """The last lines it printed, shortened; all of them once it has ended."""
        if not self.alive and self._reader.ident:
            self._reader.join(_LOG_END_S)
        return list(self._log)

    def kill(self) -> None:
        """Kill the process and its children, and wait until it is reaped; no error when it is gone."""
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
        """Start the process and reap it, in one thread that outlives it.

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
            # What it started dies with it. Its id cannot belong to another group yet.
            self._kill_group()
            self._gone.set()

    def _kill_group(self) -> None:
        # PermissionError is what macOS says of a group whose last process is a zombie.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read_log(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as stream:
            while line := stream.readline(_LOG_LINE_BYTES):
                self._log.append(line.decode(errors="replace").rstrip())
