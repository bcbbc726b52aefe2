"""Folders and S3 prefixes whose objects are replaced by compare-and-swap."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cluster_assets.backends.aws.faults import code_of
from cluster_assets.backends.local.locks import locked
from cluster_assets.domain.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.publish.aws_faults import Calls

S3_PUT_BYTES = 5 * 1024**3
"""The largest object that S3 takes in one PutObject."""


@dataclass(frozen=True, slots=True)
class Held:
    """An object at a place.

    Attributes:
        body: Its bytes, or the first of them.
        token: Changes with every replacement.
    """

    body: bytes
    token: str


class Place(Protocol):
    """A folder, here or on S3."""

    def uri(self, key: str) -> str:
        """Return the address of an object."""
        ...

    def read(self, key: str, first: int | None = None) -> Held | None:
        """Return an object, or its first bytes; None if there is none.

        Raises:
            PublicationError: The place refuses or fails.
        """
        ...

    def replace(self, key: str, file: Path, expected: Held | None) -> bool:
        """Put a file in the place of the expected object, atomically; False if another one is there.

        Raises:
            PublicationError: The place refuses or fails.
        """
        ...


class FolderPlace:
    """A folder of this machine.

    Args:
        root: The folder; the first replacement creates it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def uri(self, key: str) -> str:
        """Return the absolute path of a file."""
        return str(self._root / key)

    def read(self, key: str, first: int | None = None) -> Held | None:
        """Return a file, or its first bytes; None if there is none.

        Raises:
            PublicationError: The file cannot be read.
        """
        with _explained(self._root):
            try:
                with (self._root / key).open("rb") as stream:
                    found = os.fstat(stream.fileno())
                    return Held(stream.read(first), f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}")
            except FileNotFoundError:
                return None

    def replace(self, key: str, file: Path, expected: Held | None) -> bool:
        """Put a file in the place of the expected one, atomically.

        Raises:
            PublicationError: The folder cannot be written.
            ConflictError: Another process held the folder's lock for two minutes.
        """
        target = self._root / key
        # A fixed name: only the holder of the lock writes it, and it replaces the leftover of a killed one.
        draft = target.with_name(f".{target.name}.draft")
        with _explained(self._root), locked(target.parent):
            found = self.read(key, 0)
            if (found and found.token) != (expected and expected.token):
                return False
            with file.open("rb") as source, draft.open("wb") as stream:
                shutil.copyfileobj(source, stream)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(target)
        return True


class S3Place:
    """A prefix of a bucket; S3's conditional writes decide between publishers.

    Args:
        s3: A boto3 client that tries each call once.
        bucket: Name of the bucket.
        prefix: Without slashes at its ends.
        calls: Retries and messages.
        extra: Further parameters of every PutObject, such as the encryption key.
    """

    def __init__(
        self, s3: Any, bucket: str, prefix: str, calls: Calls, extra: dict[str, str] | None = None
    ) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._folder = f"{prefix}/" if prefix else ""
        self._calls = calls
        self._extra = extra or {}

    def uri(self, key: str) -> str:
        """Return the `s3://` address of an object."""
        return f"s3://{self._bucket}/{self._folder}{key}"

    def read(self, key: str, first: int | None = None) -> Held | None:
        """Return an object, or its first bytes; None if there is none.

        Raises:
            PublicationError: S3 refuses the call, or keeps failing.
        """
        request = {"Bucket": self._bucket, "Key": self._folder + key}
        if first is not None:
            request["Range"] = f"bytes=0-{first - 1}"

        def get() -> Held:
            answer = self._s3.get_object(**request)
            with answer["Body"] as stream:
                return Held(stream.read(), str(answer["ETag"]))

        try:
            return self._calls.call(get)
        except PublicationError as error:
            if code_of(error.__cause__) in ("NoSuchKey", "404"):
                return None
            raise

    def replace(self, key: str, file: Path, expected: Held | None) -> bool:
        """Put a file in the place of the expected object.

        Raises:
            PublicationError: The file is too large for one PutObject, or S3 refuses or keeps failing.
        """
        size = file.stat().st_size
        if size > S3_PUT_BYTES:
            raise PublicationError(
                f"{size:,} bytes exceed S3's limit of one PutObject, {S3_PUT_BYTES:,}",
                where=self.uri(key),
                remedy="publish this table as delta, which keeps the files of the warehouse",
            )
        condition = {"IfMatch": expected.token} if expected else {"IfNoneMatch": "*"}

        def put() -> None:
            with file.open("rb") as body:
                self._s3.put_object(
                    Bucket=self._bucket, Key=self._folder + key, Body=body, **condition, **self._extra
                )

        try:
            self._calls.call(put)
        except PublicationError as error:
            # A publication whose answer was lost finds its own mark when it looks again.
            if code_of(error.__cause__) in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
                return False
            raise
        return True


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PublicationError(
            f"the folder cannot be used: {error}",
            where=str(root),
            remedy="choose a folder that this process may create and write",
        ) from error
