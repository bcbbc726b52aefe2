"""The processes of a backfill: each runs ranges of days, one after the other.

The death of one costs its range.
"""

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

from cluster_assets.domain.partitions import parse_day
from cluster_assets.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.settings import Settings

_GRACE_S = 30.0  # for a run to be cancelled and its workers to end
_MEMORY_MB = 256  # the least that DuckDB is given


@dataclass(frozen=True, slots=True)
class DayReport:
    """A day that ended.

    Attributes:
        seconds: Wall time of its stages, as far as they were computed now.
        error: Why it failed; None when it is published.
    """

    day: Day
    seconds: float = 0.0
    error: str | None = None


class Workers:
    """Processes with their share of this machine, stopped when the context ends.

    Args:
        spec: The pipeline.
        settings: Their threads, memory and worker slots are divided.
        parallel: How many processes.
        days_per_run: Days of one Dagster run.
        force: Compute although nothing changed.
    """

    def __init__(
        self, spec: PipelineSpec, settings: Settings, parallel: int, days_per_run: int, *, force: bool
    ) -> None:
        self._task = json.dumps({"spec": spec.model_dump(mode="json", by_alias=True), "force": force})
        self._parallel = parallel
        self._environment = _share(settings, parallel) | {"CLUSTER_DAYS_PER_RUN": str(days_per_run)}
        self._reports: queue.SimpleQueue[DayReport | None] = queue.SimpleQueue()
        self._runs: queue.SimpleQueue[tuple[Day, ...]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def run(self, runs: Sequence[tuple[Day, ...]], on_day: Callable[[DayReport], None]) -> bool:
        """Run all ranges; each is taken by the next process that is free.

        Returns:
            False when it was interrupted; then the processes were stopped, and days may be left.
        """
        for run in runs:
            self._runs.put(run)
        count = min(self._parallel, len(runs))
        self._threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()
        try:
            self._listen(count, on_day)
        except KeyboardInterrupt:
            self._stop()
            while not self._reports.empty():
                if (report := self._reports.get()) is not None:
                    on_day(report)
            return False
        return True

    def _listen(self, open_threads: int, on_day: Callable[[DayReport], None]) -> None:
        while open_threads:
            report = self._reports.get()
            if report is None:
                open_threads -= 1
            else:
                on_day(report)

    def _serve(self) -> None:
        """Drive one process, or its successor after it died, until no range is left."""
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
        """A new process; None when there shall be none any more."""
        with self._lock:
            if self._stopping.is_set():
                return None
            process = subprocess.Popen(
                [sys.executable, "-m", "cluster_assets.backfill_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                cwd=PROJECT_ROOT,
                env=os.environ | self._environment,
                # A Ctrl-C is for this process; it tells the others.
                start_new_session=True,
            )
            self._processes.add(process)
        _write(process, self._task)
        return process

    def _drive(self, process: subprocess.Popen[str], days: tuple[Day, ...]) -> bool:
        """Let a process run a range; False when it ended before."""
        _write(process, json.dumps({"days": [day.key for day in days]}))
        open_days = set(days)
        assert process.stdout is not None  # noqa: S101 - a pipe, see _start
        for line in process.stdout:
            said: dict[str, Any] = json.loads(line)
            if "day" not in said:
                return True
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
        """Let a process end by itself, now that nothing more comes."""
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
    """What of the machine one of the processes may use."""
    return {
        "CLUSTER_SQL_THREADS": str(max(1, settings.sql_threads // parallel)),
        "CLUSTER_SQL_MEMORY_MB": str(max(_MEMORY_MB, settings.sql_memory_mb // parallel)),
        "CLUSTER_WORKER_SLOTS": str(max(1, settings.worker_slots // parallel)),
    }


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None  # noqa: S101 - a pipe, see _start
    with suppress(BrokenPipeError):  # it has ended; its silence tells
        process.stdin.write(f"{line}\n")
        process.stdin.flush()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal a process and, for SIGKILL, those it started."""
    with suppress(ProcessLookupError):  # it has ended meanwhile
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
