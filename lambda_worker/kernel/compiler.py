"""Compiles the worker's kernel for this machine, or cross-compiles it for either processor of Lambda.

Usage: python -m lambda_worker.kernel.compiler

For this machine, the compiler is $CC, or the first of cc, gcc and clang, or that of the package ziglang.
Without a compiler, the worker uses numpy: the same results, some of them several times slower.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_worker.kernel import library_name

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = Path(__file__).resolve().parent
# Doubles exactly as SQL computes them: no fused operations, no reordering.
_FLAGS = ("-std=c11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fPIC", "-shared", "-s")
# The oldest glibc that current wheels expect; Lambda's is newer.
_GLIBC = "2.17"


class CompilerError(Exception):
    """There is no compiler, or it failed."""


def find_compiler() -> tuple[str, ...] | None:
    """Return the command of a C compiler for this machine, or None."""
    if named := os.environ.get("CC"):
        return tuple(shlex.split(named))
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return (found,)
    return zig() if importlib.util.find_spec("ziglang") else None


def zig(machine: str | None = None, python: str = sys.executable) -> tuple[str, ...]:
    """Return the command of the compiler in the package ziglang.

    Args:
        machine: Compile for Linux on it, such as `aarch64`; None for this machine.
        python: An interpreter that has the package.
    """
    target = () if machine is None else ("-target", f"{machine}-linux-gnu.{_GLIBC}")
    return (python, "-m", "ziglang", "cc", *target)


def compile_kernel(
    compiler: tuple[str, ...], output: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Write the shared library atomically.

    Args:
        compiler: Its command.
        output: The file.
        environment: Extra environment variables for the compiler.

    Raises:
        CompilerError: The compiler cannot be run or refused the sources, or the folder is read-only.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent) as folder:
            draft = Path(folder) / output.name
            _run(
                (*compiler, *_FLAGS, "-o", str(draft), "kernel.c", "-lm"),
                os.environ | dict(environment or {}),
            )
            draft.replace(output)
    except OSError as error:
        raise CompilerError(f"{output} cannot be written: {error}") from error


def _run(command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - the compiler of this machine
            command, cwd=SOURCES, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CompilerError(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        raise CompilerError(f"{shlex.join(command)} failed:\n{done.stderr.strip()[-2000:]}")


def main() -> int:
    """Compile for this machine."""
    compiler = find_compiler()
    if compiler is None:
        sys.stderr.write(
            "no C compiler here: the worker runs without its kernel, slower and with equal results\n"
        )
        return 0
    try:
        compile_kernel(compiler, SOURCES / library_name(platform.machine()))
    except CompilerError as error:
        sys.stderr.write(f"{error}\nthe worker runs without its kernel, slower and with equal results\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
