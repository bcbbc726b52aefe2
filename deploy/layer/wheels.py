"""Fetches the wheels of the layer, and of whatever they need, through pip and its own configuration."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from deploy.layer.lockfile import LockedPackage
    from deploy.layer.processors import Processor

# What the worker imports; the packages these need follow from their metadata.
# boto3 and awslambdaric come with Lambda's runtime.
ROOTS = ("arro3-core", "arro3-io", "numpy", "scikit-learn", "scipy")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel whose hash is in the lock."""

    package: LockedPackage
    path: Path
    sha256: str


def fetch_wheels(
    lock: Mapping[str, LockedPackage], processor: Processor, python: str, cache: Path
) -> list[Wheel]:
    """Wheels of the roots and of all they need, by name; from the cache where it has them.

    Args:
        lock: Packages by name, for this environment.
        processor: Whose wheels.
        python: Python version, such as `3.13`.
        cache: Folder of wheels of this processor and Python.

    Raises:
        LayerError: A needed package is not in the lock, or pip cannot fetch a wheel of it.
    """
    environment = processor.marker_environment(python)
    found: dict[str, Wheel] = {}
    wanted = set(ROOTS)
    while wanted:
        absent = sorted(wanted - lock.keys())
        if absent:
            raise LayerError(f"the lock lacks {', '.join(absent)}", remedy="run `make lock`")
        packages = [lock[name] for name in sorted(wanted)]
        wheels = {package.name: cached_wheel(package, cache) for package in packages}
        missing = [package for package in packages if wheels[package.name] is None]
        if missing:
            _download(missing, processor, python, cache)
        for package in packages:
            found[package.name] = wheels[package.name] or _downloaded(package, cache)
        needed = {name for wheel in found.values() for name in needed_packages(wheel.path, environment)}
        wanted = needed - found.keys()
    return [found[name] for name in sorted(found)]


def cached_wheel(package: LockedPackage, cache: Path) -> Wheel | None:
    """The cached wheel of a package, None where there is none or its hash is not in the lock."""
    for path in sorted(cache.glob("*.whl")):
        name, version, _build, _tags = parse_wheel_filename(path.name)
        if (name, str(version)) == (package.name, package.version):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if digest in package.hashes:
                return Wheel(package, path, digest)
    return None


def needed_packages(wheel: Path, environment: Mapping[str, str]) -> set[str]:
    """Names of the packages that a wheel requires in an environment, extras left out."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        if len(names) != 1:
            raise LayerError("the wheel has no metadata", where=str(wheel))
        metadata = message_from_bytes(archive.read(names[0]))
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(dict(environment))
    }


def _downloaded(package: LockedPackage, cache: Path) -> Wheel:
    wheel = cached_wheel(package, cache)
    if wheel is None:
        raise LayerError(f"pip brought no wheel of {package.name} {package.version}", where=str(cache))
    return wheel


def _download(packages: Iterable[LockedPackage], processor: Processor, python: str, cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{package.requirement}\n" for package in packages))
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        command += [argument for tag in processor.platforms for argument in ("--platform", tag)]
        command += ["--dest", str(cache), "-r", str(requirements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our arguments
    if done.returncode:
        raise LayerError(
            f"pip could not fetch the wheels of {processor.name}:\n{done.stderr.strip()}",
            remedy="see pip's message; a package without a wheel for this Python needs another --python",
        )
