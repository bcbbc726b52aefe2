"""Processor time and memory of a process and its descendants, as Linux counts them."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

_PROC = Path("/proc")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time of all processes, and of wall time."""

    cpu_s: float
    wall_s: float


class Clock:
    """Measures a block of code: `with Clock() as clock: …`, then `clock.spent`.

    Worker processes count from their start or from the start of the block, whichever is later.
    """

    spent: Spent

    def __enter__(self) -> Self:
        """Start."""
        self._wall, self._cpu = time.perf_counter(), _used_s()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        # Other processes count in ticks of 10 ms, so that the difference may be a tick too low.
        self.spent = Spent(max(1e-6, _used_s() - self._cpu), time.perf_counter() - self._wall)


def _used_s() -> float:
    """Return the processor time of this process and of its descendants, including those that have ended."""
    _, *others = process_tree(os.getpid())
    ended = sum(os.times()[2:4])  # children that were waited for
    return time.process_time() + ended + sum(_ticks(pid) for pid in others) / _TICKS_A_SECOND


def _ticks(pid: int) -> int:
    """Return the ticks of a process and of its children that were waited for."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:  # it has ended, and its parent counts it
        return 0
    return sum(int(value) for value in stat.rpartition(") ")[2].split()[11:15])


def process_tree(root: int) -> list[int]:
    """Return the ids of a process and its living descendants, the process first."""
    found = [root]
    for pid in found:
        with suppress(OSError):  # it has ended
            for file in (_PROC / str(pid) / "task").glob("*/children"):
                found += map(int, file.read_text().split())
    return found


@dataclass
class MemoryWatch:
    """Peaks of the memory of a process tree in MiB; call `look` again and again.

    Attributes:
        largest: Peak of the process with the highest one; no spike between two looks is missed.
        total: Highest sum over all processes that live at the same time; shared pages count once for each.
    """

    largest: float = 0.0
    total: float = 0.0

    def look(self, root: int) -> None:
        """Read the present memory of all processes."""
        now = 0.0
        for pid in process_tree(root):
            try:
                status = (_PROC / str(pid) / "status").read_text()
            except OSError:  # it has ended
                continue
            sizes = dict(line.split(":", 1) for line in status.splitlines() if line.startswith("Vm"))
            if "VmHWM" in sizes:
                self.largest = max(self.largest, _mib(sizes["VmHWM"]))
                now += _mib(sizes["VmRSS"])
        self.total = max(self.total, now, self.largest)


def _mib(text: str) -> float:
    return int(text.split(maxsplit=1)[0]) / 1024
