"""The worker's kernel for the processors of Lambda, cross-compiled with a compiler from a locked wheel."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.layer.build import run_command
from deploy.layer.errors import LayerError
from lambda_worker.kernel import library_name
from lambda_worker.kernel.compiler import CompilerError, compile_kernel, zig

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.layer.processors import Processor

_LOCK = Path(__file__).parents[2] / "requirements" / "kernel.lock"


def build_kernels(processors: Iterable[Processor], folder: Path) -> dict[str, Path]:
    """Compile the kernel for some processors.

    Args:
        processors: The target processors.
        folder: Folder for the libraries, the compiler (a locked wheel of 100 MB) and its cache.

    Returns:
        The shared libraries by their path in the function archive; equal sources give equal bytes.

    Raises:
        LayerError: The compiler cannot be downloaded, or it fails.
    """
    tools = _install_zig(folder.resolve() / "zig")
    libraries: dict[str, Path] = {}
    for processor in processors:
        name = library_name(processor.machine)
        library = libraries[f"lambda_worker/kernel/{name}"] = folder.resolve() / name
        try:
            compile_kernel(zig(processor.machine), library, tools)
        except CompilerError as error:
            raise LayerError(str(error), where=name) from error
    return libraries


def _install_zig(folder: Path) -> dict[str, str]:
    """Install the compiler into a folder if it is missing, and return the environment to run it in."""
    settings = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "cache"), "ZIG_LOCAL_CACHE_DIR": str(folder / "cache")}
    if importlib.util.find_spec("ziglang") is None:
        settings["PYTHONPATH"] = str(folder / "packages")
        if not (folder / "packages" / "ziglang").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            command += ["--target", str(folder / "packages"), "-r", str(_LOCK)]
            run_command(command, "pip cannot install the compiler")
    return settings
