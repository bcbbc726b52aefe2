"""Reproducible archives: sorted, with fixed times and permissions."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
_UNIX = 3
_READABLE = 0o100644  # Lambda runs as another user, so everyone may read


@dataclass(frozen=True, slots=True)
class Archive:
    """A written zip.

    Attributes:
        path: The zip.
        unzipped: Total bytes of its files.
    """

    path: Path
    unzipped: int

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest."""
        content = self.path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        sizes = {"bytes": len(content), "unzipped_bytes": self.unzipped}
        return {"file": self.path.name, "sha256": digest, **sizes}


def write_archive(path: Path, folder: Path) -> Archive:
    """Zip every file of a folder; equal files give equal bytes with the same zlib.

    Args:
        path: The zip to write; an existing file is replaced atomically.
        folder: The contents; paths in the zip are relative to it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    unzipped = 0
    with zipfile.ZipFile(draft, "w") as archive:
        for name in sorted(
            file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
        ):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = _UNIX
            info.external_attr = _READABLE << 16
            content = (folder / name).read_bytes()
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
            unzipped += len(content)
    draft.replace(path)
    return Archive(path, unzipped)
