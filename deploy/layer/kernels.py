"""The worker's kernel for the processors of Lambda, compiled across by the compiler of a locked wheel."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.kernel import CompilerError, compile_kernel, zig
from deploy.layer.build import trim_shared_objects
from deploy.layer.errors import LayerError
from lambda_worker.kernel import library_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.layer.processors import Processor

_LOCK = Path(__file__).parents[2] / "requirements-kernel.lock"


def build_kernels(processors: Iterable[Processor], cache: Path) -> dict[str, bytes]:
    """Compile the kernel for some processors.

    Args:
        processors: Whose.
        cache: Folder that keeps the compiler, a locked wheel of 100 MB, and what it compiled before.

    Returns:
        The shared libraries by their path in the function archive; equal sources give equal bytes.

    Raises:
        LayerError: The compiler cannot be fetched, or fails.
    """
    tools = _install_zig(cache / "zig")
    found: dict[str, bytes] = {}
    for processor in processors:
        name = library_name(processor.machine)
        try:
            compile_kernel(zig(processor.machine), cache / name, tools)
        except CompilerError as error:
            raise LayerError(str(error), where=name) from error
        shared = {f"lambda_worker/kernel/{name}": (cache / name).read_bytes()}
        found |= trim_shared_objects(shared, processor)
    return found


def _install_zig(folder: Path) -> dict[str, str]:
    """The environment in which the compiler runs, installed into a folder unless it is there."""
    settings = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "cache"), "ZIG_LOCAL_CACHE_DIR": str(folder / "cache")}
    if importlib.util.find_spec("ziglang") is None:
        settings["PYTHONPATH"] = str(folder / "packages")
        if not (folder / "packages" / "ziglang").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            command += ["--target", str(folder / "packages"), "-r", str(_LOCK)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip
            if done.returncode:
                raise LayerError(f"pip cannot install the compiler:\n{done.stderr.strip()[-1000:]}")
    return settings
