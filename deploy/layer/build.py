"""The build steps from locked wheels to a layer and from sources to a function; each works on a folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.layer.archive import Archive, write_archive
from deploy.layer.errors import LayerError
from deploy.layer.interpreter import PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from deploy.layer.processors import Processor

# Lambda unpacks a layer to /opt and puts /opt/python on the import path; a function goes to /var/task.
_LAYER, _FUNCTION = "/opt", "/var/task"
# Tests are 28 MiB; files for builds or other systems cannot be imported here.
_LEFT_OUT = (
    *("**/tests", "**/test", "scipy/special/_precompute", "sklearn/_build_utils"),
    "joblib/externals/loky/backend/_win_reduction.py",
    *("bin", "*.dist-info/RECORD"),  # they contain the path of the Python that ran pip
)
MIB = 1 << 20
# Lambda quota "Deployment package (.zip file archive) size": unzipped, function and layers together.
LIMIT = 250 * MIB


def build_layer(processor: Processor, interpreter: Path, path: Path, lock: Path) -> Archive:
    """Build the layer of one processor.

    It contains bytecode without sources, which would add 25 MiB and only show source lines in tracebacks, and
    without docstrings, which make the import of scikit-learn a fifth slower.

    Args:
        processor: The target processor.
        interpreter: A Python of Lambda's version.
        path: The zip to write.
        lock: The lock file with hashes.

    Raises:
        LayerError: A wheel cannot be installed, or a source does not compile.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        packages = folder / "python"
        _install(lock, processor, packages)
        for pattern in _LEFT_OUT:
            for found in list(packages.glob(pattern)):
                if found.is_dir():
                    shutil.rmtree(found)
                else:
                    found.unlink(missing_ok=True)  # inside a folder that is already removed
        _compile(folder, interpreter, _LAYER, "-b", "-o", "2", "--invalidation-mode", "unchecked-hash")
        for source in list(packages.rglob("*.py")):
            source.unlink()
        return write_archive(path, folder)


def build_function(
    packages: Sequence[Path], interpreter: Path, path: Path, others: Mapping[str, Path] | None = None
) -> Archive:
    """Build a function: the sources of packages and their bytecode.

    Python compares the bytecode with its source on import, so that an edit in Lambda's console takes effect.

    Args:
        packages: Folders of the packages.
        interpreter: A Python of Lambda's version.
        path: The zip to write.
        others: Shared libraries and other files by their path in the zip.

    Raises:
        LayerError: A source does not compile.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for package in packages:
            for source in package.rglob("*.py"):
                _copy(source, folder / source.relative_to(package.parent))
        _compile(folder, interpreter, _FUNCTION, "--invalidation-mode", "checked-hash")
        for name, other in (others or {}).items():
            _copy(other, folder / name)
        return write_archive(path, folder)


def check_size(layer: Archive, function: Archive) -> str:
    """Check and report the total unzipped size of a layer and the function.

    Raises:
        LayerError: The size exceeds the limit of Lambda.
    """
    size = layer.unzipped + function.unzipped
    described = f"{layer.path.name} and {function.path.name}: {size / MIB:.1f} of {LIMIT // MIB} MiB unzipped"
    if size > LIMIT:
        raise LayerError(
            described, remedy=f"leave out more in {Path(__file__).name} or ship a container image"
        )
    return described


def _install(lock: Path, processor: Processor, folder: Path) -> None:
    """Install exactly the locked wheels for Lambda's Python, independent of the Python that runs pip."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "--no-compile"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--implementation", "cp"]
    # pip compares a wheel's Requires-Python with the Python that runs pip, not with the requested one.
    command += ["--python-version", PYTHON, "--ignore-requires-python", "-r", str(lock)]
    command += [argument for tag in processor.platforms for argument in ("--platform", tag)]
    run_command(command, f"pip cannot install the wheels of {processor.name}")


def _compile(folder: Path, interpreter: Path, prefix: str, *options: str) -> None:
    """Compile every source; tracebacks show its path below the prefix, where Lambda unpacks it."""
    command = [str(interpreter), "-I", "-W", "ignore", "-m", "compileall", "-q", "-j", "0", *options]
    run_command([*command, "-s", str(folder), "-p", prefix, str(folder)], "a source does not compile")


def run_command(command: list[str], failure: str) -> None:
    """Run a tool and include its output in the error.

    Raises:
        LayerError: It fails.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our arguments
    if done.returncode:
        raise LayerError(f"{failure}:\n{(done.stdout + done.stderr).strip()[-2000:]}", where=command[0])


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
