"""Objects as files below one folder, with the guarantees the protocol of atomic days needs."""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_stream
from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.ports import StoredObject
from cluster_assets.stores.keys import check_key, is_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

_TEMPORARY = re.compile(r"\.put-[0-9a-f]{32}\.tmp", re.ASCII)
_NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStore:
    """An `ObjectStore` in a folder of this machine.

    Objects appear whole or not at all (a hard link is the commit), and what `put_if_absent` or
    `digest` returned for survives a power loss. A symbolic link below the root is refused: a second
    name for an object would let `gc` remove under one name what a manifest holds under the other.

    Args:
        root: The folder; made when first written to. It may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))

    def uri(self, key: str) -> str:
        """The absolute path of an object.

        Raises:
            IntegrityError: The key could lead outside the store.
        """
        return str(self._path(key))

    def key(self, uri: str) -> str:
        """The key of an absolute path below the root.

        Raises:
            IntegrityError: The path lies outside, or is no key.
        """
        head = f"{self._root}/"
        if not uri.startswith(head):
            raise IntegrityError(
                f"{uri!r} lies outside the store",
                where=str(self._root),
                remedy="let engines and workers write only below the addresses an attempt gives",
            )
        key = check_key(uri.removeprefix(head))
        self._path(key)
        return key

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object whole and durable, or not at all; False when the key is taken.

        Raises:
            IntegrityError: The key could lead outside the store, or lies below another object.
            SpecError: The file system of the root has no hard links.
        """
        path = self._path(key)
        if os.path.lexists(path):
            return False
        try:
            return self._put(path, body)
        except FileNotFoundError:
            # `sweep` of another process took the folder while it was still empty; it is made again.
            return self._put(path, body)

    def read(self, key: str) -> bytes:
        """The bytes of an object.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._open(key) as stream:
            return stream.read()

    def digest(self, key: str) -> str:
        """SHA-256 of an object's bytes, which are on disk for good when it returns.

        The flushes of a small file and its folders cost 1.5 ms here (ext4); engines write without any.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._open(key) as stream:
            digest = digest_stream(stream)
            os.fsync(stream.fileno())
        for folder in self._steps(self._path(key).parent):
            _flush(folder)
        _flush(self._root)
        return digest

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with `prefix`, in key order; links and temporary files are none.

        Raises:
            IntegrityError: The prefix could lead outside the store.
        """
        folder, slash, start = prefix.rpartition("/")
        path = self._path(folder) if slash else self._root
        if start:
            check_key(start)
        return _walk(path, folder + slash, start)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects in the order given; a missing one is no error. Folders stay for `sweep`."""
        for key in keys:
            path = self._path(key)
            try:
                if not path.is_dir():
                    path.unlink()
            except _NO_SUCH_FILE:
                continue

    def sweep(self, before: dt.datetime) -> int:
        """Remove what killed writers left and no reader can see, last modified earlier than `before`.

        Here: temporary files of `put_if_absent`, and empty folders. On S3: unfinished uploads.

        Returns:
            Temporary files removed.
        """
        return _sweep(self._root, before.timestamp())

    def _path(self, key: str) -> Path:
        path = self._root / check_key(key)
        if any(_TEMPORARY.fullmatch(part) for part in key.split("/")):
            raise IntegrityError(f"{key!r} is a name kept for temporary files", where=str(self._root))
        link = next((step for step in self._steps(path) if step.is_symlink()), None)
        if link is not None:
            raise IntegrityError(
                f"the key {key!r} goes through a symbolic link",
                where=str(link),
                remedy="remove the link; to keep all data elsewhere, set CLUSTER_HOME",
            )
        return path

    def _steps(self, path: Path) -> Iterator[Path]:
        """A path and its parents below the root, deepest first."""
        while path != self._root:
            yield path
            path = path.parent

    def _open(self, key: str) -> BinaryIO:
        path = self._path(key)
        try:
            return path.open("rb")
        except _NO_SUCH_FILE as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(path)) from error

    def _put(self, path: Path, body: bytes) -> bool:
        _make_folder(path.parent)
        temporary = path.parent / f".put-{secrets.token_hex(16)}.tmp"
        try:
            with temporary.open("xb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            stored = _link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _flush(path.parent)
        return stored


def _link(source: Path, target: Path) -> bool:
    """Give a file its final name, unless that is taken: the one step that decides who wins."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        raise SpecError(
            "this file system has no hard links, which an atomic commit needs",
            where=str(target.parent),
            remedy="set CLUSTER_HOME to a folder on a local disk",
        ) from error
    return True


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that their names survive a power loss."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)  # another writer may make it at this moment
    except FileExistsError as error:
        raise IntegrityError(
            "an object lies where a folder is needed",
            where=str(folder),
            remedy="move the file away, then run again",
        ) from error
    _flush(folder.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _walk(folder: Path, prefix: str, start: str) -> Iterator[StoredObject]:
    for entry in _entries(folder):
        key = prefix + entry.name
        if not entry.name.startswith(start) or not is_key(key) or _TEMPORARY.fullmatch(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name, f"{key}/", "")
        elif entry.is_file(follow_symlinks=False):
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since the folder was read
            yield StoredObject(key, found.st_size, dt.datetime.fromtimestamp(found.st_mtime, dt.UTC))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Entries in key order: a folder sorts as `name/`, so that `a-b` comes before `a/b` as on S3."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=_key_order)
    except _NO_SUCH_FILE:
        return []


def _key_order(entry: os.DirEntry[str]) -> str:
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _sweep(folder: Path, before: float) -> int:
    removed = 0
    for entry in _entries(folder):
        path = folder / entry.name
        try:
            modified = entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue  # another process sweeps too
        if entry.is_dir(follow_symlinks=False):
            removed += _sweep(path, before)
            if modified < before:
                _remove_if_empty(path)
        elif _TEMPORARY.fullmatch(entry.name) and modified < before:
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise
