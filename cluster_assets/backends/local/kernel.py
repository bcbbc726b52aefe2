"""Compilation of the local worker's kernel on first use."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

from cluster_assets.project import CODE_ROOT

_PROGRAM = "lambda_worker.kernel.compiler"


@cache
def compile_kernel_once() -> None:
    """Compile the kernel next to its sources unless the library exists.

    An installed wheel contains the C sources only. Without a compiler, or in a read-only folder, the program
    reports so on stderr and the worker uses numpy, which gives the same results more slowly.
    """
    if any((CODE_ROOT / "lambda_worker" / "kernel").glob("kernel-*.so")):
        return
    # In its own process: the code location imports only the contract of the worker.
    subprocess.run([sys.executable, "-m", _PROGRAM], cwd=CODE_ROOT, check=False)  # noqa: S603 - our own program
