"""Main program of a sandbox process: binds its lifetime to the parent, then runs AWS's runtime client.

Usage: `python -s -P sandbox_main.py PARENT_PID HANDLER`. It uses the standard library only and is started by
path, so that the sandbox does not import this package.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_ABSENT = ("pyarrow", "polars")


def main() -> None:
    """Run `python -m awslambdaric HANDLER` in this process."""
    parent, handler = int(sys.argv[1]), sys.argv[2]
    _die_with(parent)
    hide_packages()
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


class _AbsentPackages:
    """An import hook for packages that are to be treated as not installed."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Refuse an absent package; None leaves any other one to the next hook."""
        if name in _ABSENT:
            raise ModuleNotFoundError(f"the Lambda layer has no {name}", name=name)


def hide_packages() -> None:
    """Hide packages that the Lambda layer does not have, so that a worker takes as much memory as there.

    pandas imports pyarrow if it is installed, and scikit-learn imports pandas: 50 MB.
    """
    sys.meta_path.insert(0, _AbsentPackages)


def _die_with(parent: int) -> None:
    """Make the kernel kill this process when the parent dies, even by SIGKILL.

    Set here and not between fork and exec, where only async-signal-safe calls are allowed in a parent
    with threads. On other systems the broken connection to the Runtime API ends the process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent died before the line above
        sys.exit(1)


if __name__ == "__main__":
    main()
