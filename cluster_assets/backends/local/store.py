"""Objects as files in a folder, with the guarantees that the protocol of atomic days needs."""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.backends.keys import check_key, is_key
from cluster_assets.backends.local.known_digests import KnownDigests
from cluster_assets.backends.stored import StoredObject
from cluster_assets.domain.errors import IntegrityError, SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

_TEMPORARY = re.compile(r"\.put-[0-9a-f]{32}\.tmp", re.ASCII)
_KNOWN = KnownDigests()
_NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStore:
    """An `ObjectStore` in a local folder.

    Objects appear atomically (a hard link is the commit), and are durable once `put_if_absent` or `seal`
    has returned. Symbolic links below the root are refused, because `gc` could remove an object under one
    name that a manifest refers to under another.

    Args:
        root: The folder; created on the first write. It may itself be a link.
        verify: Whether `is_intact` checks; else it returns True.
    """

    def __init__(self, root: Path, *, verify: bool = True) -> None:
        self._root = Path(os.path.realpath(root))
        self._verify = verify

    def uri(self, key: str) -> str:
        """Return the absolute path of an object.

        Raises:
            IntegrityError: The key could lead outside the store.
        """
        return str(self._path(key))

    def key(self, uri: str) -> str:
        """Return the key of an absolute path below the root.

        Raises:
            IntegrityError: The path is outside the root, or is not a valid key.
        """
        head = f"{self._root}/"
        if not uri.startswith(head):
            raise IntegrityError(
                f"{uri!r} is outside the store",
                where=str(self._root),
                remedy="write only below the prefix of an attempt; if you did not, report a bug",
            )
        key = check_key(uri.removeprefix(head))
        self._path(key)
        return key

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object atomically and durably; False if the key is taken.

        Raises:
            IntegrityError: The key could lead outside the store, or is below another object.
            SpecError: The file system of the root has no hard links.
        """
        path = self._path(key)
        if os.path.lexists(path):
            return False
        try:
            return self._put(path, body)
        except FileNotFoundError:
            # Another process's `sweep` removed the folder while it was empty; create it again.
            return self._put(path, body)

    def read(self, key: str) -> bytes:
        """Return the bytes of an object.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._open(key) as stream:
            return stream.read()

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object's bytes, which are read.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._open(key) as stream:
            return _KNOWN.digest(stream, again=True)

    def seal(self, key: str) -> str:
        """Make an object durable and return the SHA-256 of its bytes.

        Flushing a small file and its folders takes 1.5 ms (ext4); engines write without flushing.

        Raises:
            FileNotFoundError: There is no such object.
        """
        with self._open(key) as stream:
            digest = _KNOWN.digest(stream, again=True)
            os.fsync(stream.fileno())
        for folder in self._steps(self._path(key).parent):
            flush_folder(folder)
        flush_folder(self._root)
        return digest

    def copy(self, key: str, target: str) -> None:
        """Link an object to a second key; the file stays until both are deleted.

        Raises:
            FileNotFoundError: There is no such object.
            IntegrityError: A key could lead outside the store.
            SpecError: The file system of the root has no hard links.
        """
        source, path = self._path(key), self._path(target)
        _make_folder(path.parent)
        try:
            _link(source, path)
        except _NO_SUCH_FILE as error:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(source)) from error
        flush_folder(path.parent)

    def is_intact(self, key: str, digest: str, committed_at: dt.datetime) -> bool:
        """Whether the bytes of an object have this SHA-256; a missing object counts as intact.

        A process reads each file once, or not at all if it sealed the file itself.
        """
        if not self._verify:
            return True
        try:
            with self._open(key) as stream:
                return _KNOWN.digest(stream) == digest
        except FileNotFoundError:
            return True

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`, in key order, without links and temporary files.

        Raises:
            IntegrityError: The prefix could lead outside the store.
        """
        folder, slash, start = prefix.rpartition("/")
        path = self._path(folder) if slash else self._root
        if start:
            check_key(start)
        return _walk(path, folder + slash, start)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects in the given order; a missing object is not an error. `sweep` removes folders."""
        for key in keys:
            path = self._path(key)
            try:
                if not path.is_dir():
                    path.unlink()
            except _NO_SUCH_FILE:
                continue

    def sweep(self, before: dt.datetime) -> int:
        """Remove invisible leftovers of killed writers that were last modified before a time.

        These are temporary files of `put_if_absent` and empty folders; on S3, unfinished uploads.

        Returns:
            Number of temporary files removed.
        """
        return _sweep(self._root, before.timestamp())

    def _path(self, key: str) -> Path:
        step = str(self._root)
        for part in check_key(key).split("/"):
            if _TEMPORARY.fullmatch(part):
                raise IntegrityError(f"{key!r} is a name reserved for temporary files", where=str(self._root))
            step = f"{step}/{part}"
            if os.path.islink(step):  # noqa: PTH114  # a listing of many days asks a hundred thousand times
                raise IntegrityError(
                    f"the key {key!r} goes through a symbolic link",
                    where=step,
                    remedy="remove the link; to keep all data elsewhere, set CLUSTER_HOME",
                )
        return Path(step)

    def _steps(self, path: Path) -> Iterator[Path]:
        """Yield a path and its parents below the root, deepest first."""
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
        flush_folder(path.parent)
        return stored


def _link(source: Path, target: Path) -> bool:
    """Give a file its final name unless it is taken; this step decides between concurrent writers."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        raise SpecError(
            "this file system has no hard links, which atomic commits require",
            where=str(target.parent),
            remedy="set CLUSTER_HOME to a folder on a local disk",
        ) from error
    return True


def _make_folder(folder: Path) -> None:
    """Create a folder and its parents durably."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    try:
        folder.mkdir(exist_ok=True)  # another writer may create it concurrently
    except FileExistsError as error:
        raise IntegrityError(
            "an object has the name of a folder",
            where=str(folder),
            remedy="move the file away, then run again",
        ) from error
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
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
    """Return entries in key order: a folder sorts as `name/`, so that `a-b` precedes `a/b` as on S3."""
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
