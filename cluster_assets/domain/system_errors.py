"""Errors of the operating system, with a remedy."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import ClusterAssetsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
# SQLite, which keeps Dagster's records: the second text is what it says if a journal cannot be written.
_FULL_TEXTS = ("disk is full", "disk I/O error", "No space left on device")


def system_error(error: OSError, home: Path) -> ClusterAssetsError:
    """Return the error to report for an OSError; `home` is CLUSTER_HOME."""
    return full_disk_error(error, home) or ClusterAssetsError(
        f"the system refused: {error.strerror or error}",
        where=str(error.filename) if error.filename is not None else None,
        remedy=f"check that the path can be made, read and written, "
        f"and that {home} (CLUSTER_HOME) is a folder with room",
    )


def full_disk_error(error: BaseException, home: Path) -> ClusterAssetsError | None:
    """Return the error to report if a full disk is the cause of an exception; else None."""
    for cause in _causes(error):
        full = isinstance(cause, OSError) and cause.errno in _FULL
        if full or any(text in str(cause) for text in _FULL_TEXTS):
            return ClusterAssetsError(
                f"the disk is full: {str(cause).splitlines()[0]}",
                where=f"{home} (CLUSTER_HOME)",
                remedy="free some space, for example with `cluster-assets gc`, and run the command again; "
                "published days are as before, and days in progress are computed again",
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that led to it, the deepest last."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        yield found
        found = found.__cause__ or found.__context__
