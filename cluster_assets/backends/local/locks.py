"""A lock of a folder between the processes of one machine."""

from __future__ import annotations

import fcntl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A writer holds a lock for milliseconds, or seconds on an overloaded machine or disk. A lock held longer than
# this belongs to a stopped process.
LOCK_WAIT_SECONDS = 120.0
_LOCK_POLL_SECONDS = 0.005


@contextmanager
def locked(folder: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it is missing; the end of the process releases it.

    Raises:
        ConflictError: Another process held the lock the whole time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("ab") as stream:
        _wait_for(stream.fileno(), folder, wait_seconds)
        try:
            yield
        finally:
            # Unlocked explicitly, because a child forked meanwhile may hold a copy of the descriptor.
            fcntl.flock(stream, fcntl.LOCK_UN)


def _wait_for(descriptor: int, folder: Path, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise ConflictError(
                    f"another process has held the lock for {wait_seconds:g} s",
                    where=str(folder / ".lock"),
                    remedy="end the stopped run that holds it (`fuser` names it), then run again",
                ) from error
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return
