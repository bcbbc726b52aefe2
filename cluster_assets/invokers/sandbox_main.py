"""What a sandbox process runs: tie its life to its parent's, then become AWS's runtime client.

Usage: `python -s -P sandbox_main.py PARENT_PID HANDLER`. Standard library only; started by path, so that
the sandbox imports nothing of this package.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Run `python -m awslambdaric HANDLER` in this process."""
    parent, handler = int(sys.argv[1]), sys.argv[2]
    _die_with(parent)
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the parent dies, even by SIGKILL.

    Set here and not between fork and exec, where only async-signal-safe calls are allowed in a parent
    with threads. On other systems the broken connection to the Runtime API ends the process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)


if __name__ == "__main__":
    main()
