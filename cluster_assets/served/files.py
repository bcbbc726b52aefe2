"""Local files of an index: those of a local lake themselves, or verified copies of those on S3."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.manifests import Document

_PARTIAL = ".partial"


class IndexFiles:
    """Provides documents of manifests as local files; several processes may share the folder.

    Args:
        store: Holds the documents.
        folder: Where copies go; created on the first copy.
        most_bytes: Copies that were not used for the longest time are removed above this size. Files that are
            open stay readable.
    """

    def __init__(self, store: ObjectStore, folder: Path, most_bytes: int) -> None:
        self._store = store
        self._folder = folder
        self._most_bytes = most_bytes

    def path(self, document: Document) -> Path:
        """Return a local file with the content of a document.

        Raises:
            IntegrityError: The document is missing or not what its manifest says.
        """
        uri = self._store.uri(document.key)
        if not uri.startswith("s3://"):
            return _checked(Path(uri), document)
        copy = self._folder / f"{document.digest}-{Path(document.key).name}"
        if not copy.is_file() or copy.stat().st_size != document.bytes:
            self._fetch(document, uri, copy)
        os.utime(copy)
        return copy

    def _fetch(self, document: Document, uri: str, copy: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(document.bytes)
        try:
            body = self._store.read(document.key)
        except FileNotFoundError as error:
            raise _damaged(uri, "it is missing") from error
        if hashlib.sha256(body).hexdigest() != document.digest:
            raise _damaged(uri, "its bytes differ from those that were published")
        # Another process may copy the same document: each writes its own file, and the last one stays.
        partial = copy.with_name(f"{copy.name}.{secrets.token_hex(8)}{_PARTIAL}")
        try:
            partial.write_bytes(body)
            partial.replace(copy)
        finally:
            partial.unlink(missing_ok=True)

    def _make_room(self, wanted: int) -> None:
        found = [(path, path.stat()) for path in self._folder.iterdir() if path.suffix != _PARTIAL]
        used = sum(stat.st_size for _, stat in found)
        for path, stat in sorted(found, key=lambda one: one[1].st_mtime):
            if used + wanted <= self._most_bytes:
                return
            path.unlink(missing_ok=True)
            used -= stat.st_size


def _checked(path: Path, document: Document) -> Path:
    if not path.is_file():
        raise _damaged(str(path), "it is missing")
    if (size := path.stat().st_size) != document.bytes:
        raise _damaged(str(path), f"it has {size:,} bytes, not {document.bytes:,}")
    return path


def _damaged(where: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"a file of the index cannot be used: {why}",
        where=where,
        remedy="compute the damaged day again: cluster-assets verify PIPELINE --repair",
    )
