"""The processes of a backfill: each runs one range of days at a time; if it dies, only that range fails."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import Interrupted
from cluster_assets.operations.progress import StageEvent
from cluster_assets.project import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import PipelineSpec

_GRACE_S = 30.0  # for cancelling a run and ending its workers
_MEMORY_MB = 256  # minimum for DuckDB


@dataclass(frozen=True, slots=True)
class DayReport:
    """The result of a day.

    Attributes:
        seconds: Wall time of the stages that this run computed.
        error: Why it failed; None if it is published.
    """

    day: Day
    seconds: float = 0.0
    error: str | None = None


class Workers:
    """Processes that share this machine; they stop when the context ends.

    Args:
        spec: The pipeline.
        settings: Threads, memory and worker slots to divide among the processes.
        parallel: Number of processes.
        days_per_run: Days of one Dagster run.
        force: Compute even if nothing changed.
    """

    def __init__(
        self, spec: PipelineSpec, settings: Settings, parallel: int, days_per_run: int, *, force: bool
    ) -> None:
        self._task = json.dumps({"spec": spec.model_dump(mode="json", by_alias=True), "force": force})
        self._parallel = parallel
        self._environment = _share(settings, parallel) | {"CLUSTER_DAYS_PER_RUN": str(days_per_run)}
        self._reports: queue.SimpleQueue[DayReport | StageEvent | None] = queue.SimpleQueue()
        self._runs: queue.SimpleQueue[tuple[Day, ...]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(
        self, runs: Sequence[tuple[Day, ...]], on_report: Callable[[DayReport | StageEvent], None]
    ) -> bool:
        """Run all ranges; each free process takes the next one.

        Returns:
            False if it was interrupted; the processes have stopped, and some days may be left.
        """
        for run in runs:
            self._runs.put(run)
        count = min(self._parallel, len(runs))
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        try:
            self._listen(count, on_report)
        except (KeyboardInterrupt, Interrupted):
            self._stop()
            while not self._reports.empty():
                if (report := self._reports.get()) is not None:
                    on_report(report)
            return False
        return True

    def _listen(self, open_threads: int, on_report: Callable[[DayReport | StageEvent], None]) -> None:
        while open_threads:
            report = self._reports.get()
            if report is None:
                open_threads -= 1
            else:
                on_report(report)

    def _serve(self) -> None:
        """Drive one process until no range is left; replace it if it dies."""
        process: subprocess.Popen[str] | None = None
        try:
            while not self._stopping.is_set():
                try:
                    days = self._runs.get_nowait()
                except queue.Empty:
                    break
                process = process or self._start()
                if process is None or not self._drive(process, days):
                    process = None
        finally:
            if process is not None:
                self._end(process)
            self._reports.put(None)

    def _start(self) -> subprocess.Popen[str] | None:
        """Start a new process; None if the workers are stopping."""
        with self._lock:
            if self._stopping.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "cluster_assets.operations.backfill_process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                cwd=PROJECT_ROOT,
                env=os.environ | self._environment,
                # Ctrl-C must reach only this process, which signals the others.
                start_new_session=True,
            )
            self._processes.add(process)
        _write(process, self._task)
        return process

    def _drive(self, process: subprocess.Popen[str], days: tuple[Day, ...]) -> bool:
        """Let a process run a range; False if the process ended before it finished."""
        _write(process, json.dumps({"days": [day.key for day in days]}))
        open_days = set(days)
        assert process.stdout is not None  # noqa: S101 - a pipe, see _start
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if not said:
                return True
            if "stage" in said:
                self._reports.put(StageEvent.from_json(said))
                continue
            report = DayReport(parse_day(said["day"]), float(said["seconds"]), said["error"])
            open_days.discard(report.day)
            self._reports.put(report)
        self._end(process)
        if not self._stopping.is_set():
            why = f"the process that ran it ended with status {process.returncode}"
            for day in sorted(open_days):
                self._reports.put(DayReport(day, error=why))
        return False

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Close the input of a process, which ends it."""
        if process.stdin is not None and not process.stdin.closed:
            with suppress(BrokenPipeError):  # it has ended already
                process.stdin.close()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        with self._lock:
            self._processes.discard(process)

    def _stop(self) -> None:
        with self._lock:
            self._stopping.set()
            running = tuple(self._processes)
        for process in running:
            _signal(process, signal.SIGINT)
        for process in running:
            try:
                process.wait(timeout=_GRACE_S)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
        for thread in self._threads:
            thread.join(timeout=_GRACE_S)


def _share(settings: Settings, parallel: int) -> dict[str, str]:
    """Return the share of the machine for one process, as settings."""
    return {
        "CLUSTER_SQL_THREADS": str(max(1, settings.sql_threads // parallel)),
        "CLUSTER_SQL_MEMORY_MB": str(max(_MEMORY_MB, settings.sql_memory_mb // parallel)),
        "CLUSTER_WORKER_SLOTS": str(max(1, settings.worker_slots // parallel)),
    }


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe, see _start
    with suppress(BrokenPipeError):  # it has ended; the missing reply shows it
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal a process and, for SIGKILL, its children."""
    with suppress(ProcessLookupError):  # it has ended in the meantime
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
