"""The compiled kernel: the few inner loops that numpy cannot express, with a numpy fallback for each.

`lambda_worker.kernel.compiler` compiles the C files here into one shared library beside them, for the local
worker and for both processors of Lambda. Without the library `loaded()` is None and the fallbacks run: the
same results, slower.
"""

from __future__ import annotations

import os
import platform
import warnings
from functools import cache
from pathlib import Path

from lambda_worker.kernel.library import Kernel, KernelError

VARIABLE = "CLUSTER_WORKER_KERNEL"
"""Environment variable; `off` selects the numpy fallbacks."""


def library_name(machine: str | None = None) -> str:
    """File name of the shared library for a machine as Linux calls it, such as `x86_64`; this one if None."""
    return f"kernel-{machine or platform.machine()}.so"


def loaded() -> Kernel | None:
    """Return the kernel, or None if it was not built or is switched off."""
    return None if os.environ.get(VARIABLE) == "off" else _load()


@cache
def _load() -> Kernel | None:
    path = Path(__file__).with_name(library_name())
    if not path.exists():
        return None
    try:
        return Kernel(path)
    except KernelError as error:
        # The sources changed without a rebuild: the fallbacks give the same results.
        warnings.warn(f"the kernel is not used: {error}", stacklevel=2)
        return None
