"""Digests of files that this process has read, so that it reads each file once."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_stream

if TYPE_CHECKING:
    from typing import BinaryIO

_MOST = 100_000


class KnownDigests:
    """SHA-256 of files, by device, inode, size and time of the last change; thread-safe.

    The oldest are forgotten beyond 100,000 files, which take about 30 MB.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, int, int], str] = {}
        self._lock = threading.Lock()

    def digest(self, stream: BinaryIO, *, again: bool = False) -> str:
        """Return the SHA-256 of an open file, which is read if it is new or has changed.

        Args:
            stream: The file, at its beginning.
            again: Read the file in any case.
        """
        found = os.fstat(stream.fileno())
        identity = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        known = None if again else self._known.get(identity)
        if known is not None:
            return known
        digest = digest_stream(stream)
        with self._lock:
            if len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[identity] = digest
        return digest
