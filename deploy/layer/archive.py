"""Archives whose bytes follow from their contents alone: sorted, with fixed times and permissions."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_UNIX = 3
_FILE, _SHARED_OBJECT = 0o100644, 0o100755  # Lambda runs as another user: all may read


def write_archive(path: Path, files: Mapping[str, bytes], compress: bool = True) -> None:
    """Write files as a zip; equal files give equal bytes (with the same zlib, where compressed).

    Args:
        path: The zip; a file there is replaced whole.
        files: Path in the zip to content.
        compress: Whether to deflate.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    with zipfile.ZipFile(draft, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = _UNIX
            info.external_attr = (_SHARED_OBJECT if is_shared_object(name) else _FILE) << 16
            info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            archive.writestr(info, files[name], compresslevel=6)
    draft.replace(path)


def read_archive(path: Path) -> dict[str, bytes]:
    """Every file of a zip, by its path in it."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def contents_digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names, sizes and contents: equal wherever and with whichever zlib they were zipped."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode())
        digest.update(files[name])
    return digest.hexdigest()


def is_shared_object(path: str) -> bool:
    """Whether a path is named like a shared object: `x.so`, `x.so.5`."""
    return ".so" in path.rpartition("/")[2] and (path.endswith(".so") or ".so." in path)
