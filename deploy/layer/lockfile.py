"""Reads `requirements.lock`: which version of a package, and which hashes its files may have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package as the lock pins it.

    Attributes:
        name: Its normalized name.
        version: The one version.
        hashes: SHA-256 of each file that may be taken for it.
    """

    name: str
    version: str
    hashes: frozenset[str]

    @property
    def requirement(self) -> str:
        """A line for pip's hash-checking mode."""
        hashes = " ".join(f"--hash=sha256:{digest}" for digest in sorted(self.hashes))
        return f"{self.name}=={self.version} {hashes}"


def read_lock(path: Path, environment: Mapping[str, str]) -> dict[str, LockedPackage]:
    """The packages that the lock names for an environment.

    Markers are evaluated here, because `pip download --python-version` evaluates them for the Python that
    runs pip.

    Args:
        path: The lock.
        environment: Values of the environment markers.

    Raises:
        LayerError: The lock is missing, a line is not `name==version` with hashes, or two lines name
            different versions of a package.
    """
    if not path.is_file():
        raise LayerError("there is no lock", where=str(path), remedy="run `make lock`")
    packages: dict[str, LockedPackage] = {}
    for line in path.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        package = _read_line(text, environment, path)
        if package and packages.setdefault(package.name, package) != package:
            raise LayerError(f"the lock names {package.name} twice for one environment", where=str(path))
    return packages


def _read_line(text: str, environment: Mapping[str, str], path: Path) -> LockedPackage | None:
    try:
        requirement = Requirement(_HASH.sub("", text))
    except InvalidRequirement as error:
        raise LayerError(f"not a line of a lock: {text[:80]}", where=str(path)) from error
    pins = [specifier.version for specifier in requirement.specifier if specifier.operator == "=="]
    hashes = frozenset(_HASH.findall(text))
    if len(pins) != 1 or not hashes:
        raise LayerError(f"{requirement.name} is not pinned with hashes", where=str(path))
    if requirement.marker and not requirement.marker.evaluate(dict(environment)):
        return None
    return LockedPackage(canonicalize_name(requirement.name), pins[0], hashes)
