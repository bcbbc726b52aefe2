"""Packages that an extra installs, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cluster_assets.domain.errors import MissingPackageError


def require(package: str, *, extra: str) -> Any:
    """Import a package or one of its modules.

    Args:
        package: Its name in an import statement.
        extra: The extra of cluster-assets that installs it.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        name = package.partition(".")[0]
        raise MissingPackageError(
            f"{name} is not installed", remedy=f"pip install 'cluster-assets[{extra}]'"
        ) from error
