"""The highest resident memory of another process."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PROC = Path("/proc")


def peak_resident_bytes(pid: int) -> int:
    """Highest resident memory of a process so far, in bytes; 0 when it is gone.

    Linux keeps the peak (VmHWM), so no spike between two looks is missed. Elsewhere `ps` tells the
    present value, and the highest of regular looks must do.
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
