"""Readings: each in a process of its own, so that its peak memory is its own; the sides of a pair alternate.

Ratios count: seconds move with what else the machine does. What both sides found must be equal.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TIMEOUT_S = 900


@dataclass(frozen=True)
class Reading:
    """Seconds, peak memory of the process in MiB, and what was found (a checksum that both sides share)."""

    seconds: float
    mib: float
    found: str
    note: str = ""


def peak_mib() -> float:
    """Peak resident memory of this process image; `getrusage` would carry over the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def tell(seconds: float, found: str, note: str = "", mib: float | None = None) -> None:
    """What a process that takes one reading prints last."""
    body = {"seconds": seconds, "mib": peak_mib() if mib is None else mib, "found": found, "note": note}
    print(json.dumps(body))


def read(script: str, *arguments: str) -> Reading | None:
    """One reading of `script --one arguments`; None when it took too long.

    Raises:
        SystemExit: The reading failed; its last words are told.
    """
    command = [sys.executable, script, "--one", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    body: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Reading(**body)


def compare(
    title: str, ours: Callable[[], Reading | None], peer: Callable[[], Reading | None], rounds: int
) -> None:
    """Alternate both sides and print the median of the ratios.

    Raises:
        SystemExit: The sides found different things.
    """
    mine: list[Reading] = []
    theirs: list[Reading] = []
    for _ in range(rounds):
        left, right = ours(), peer()
        if left is None or right is None:
            slow = "ours" if left is None else "peer"
            print(f"{title:44} {slow} took over {TIMEOUT_S} s", flush=True)
            return
        if left.found != right.found and "recall" not in right.note:
            raise SystemExit(f"{title}: ours found {left.found}, the peer {right.found}")
        mine.append(left)
        theirs.append(right)
    ratio = statistics.median(b.seconds / a.seconds for a, b in zip(mine, theirs, strict=True))
    print(
        f"{title:44} ours {_seconds(mine)} {_mib(mine)}   peer {_seconds(theirs)} {_mib(theirs)}"
        f"   peer / ours {ratio:7.2f}   {mine[0].note} {theirs[0].note}",
        flush=True,
    )


def grow(title: str, sizes: Sequence[int], ours: Callable[[int], Reading | None]) -> None:
    """Seconds at several sizes, and the exponent of the growth between the first and the last."""
    found = [(size, reading) for size in sizes if (reading := ours(size)) is not None]
    told = "   ".join(f"{size:,}: {one.seconds:.2f} s {one.mib:.0f} MiB" for size, one in found)
    (few, first), (many, last) = found[0], found[-1]
    exponent = math.log(last.seconds / first.seconds) / math.log(many / few)
    print(f"{title:44} {told}   exponent {exponent:.2f}", flush=True)


def _seconds(readings: Sequence[Reading]) -> str:
    return f"{statistics.median(one.seconds for one in readings):7.2f} s"


def _mib(readings: Sequence[Reading]) -> str:
    return f"{max(one.mib for one in readings):6.0f} MiB"
