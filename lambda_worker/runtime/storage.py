"""Files by address: an absolute path, `file://` or `s3://bucket/key`. Output is written atomically."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from lambda_worker.contract import ContractError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_LARGEST_PUT = 5 << 30  # of PutObject; larger files go in parts
_MISSING = {"404", "NoSuchKey", "NoSuchBucket"}


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """Provide the file at an address as a local path; a copy from S3 is removed afterwards.

    Raises:
        ContractError: The address is none of the three forms.
        InputError: There is no such file.
    """
    if not address.startswith("s3://"):
        path = _local_path(address)
        if not path.is_file():
            raise InputError(f"there is no file {address}")
        yield path
        return
    bucket, key = _bucket_and_key(address)
    with _scratch_folder() as folder:
        path = folder / "input"
        # `download_file` returns None, so a copy that is there counts.
        _unless_missing(lambda: s3_client().download_file(bucket, key, str(path)))
        if not path.is_file():
            raise InputError(f"there is no file {address}")
        yield path


@contextmanager
def written_whole(address: str) -> Iterator[Path]:
    """Provide a path to write to; on a normal exit, its content replaces the file at `address` atomically.

    A rerun replaces the file with the same bytes. The store is responsible for durability: it syncs a file
    when it seals it. S3 receives the file with its SHA-256, and keeps that for the store.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if address.startswith("s3://"):
        bucket, key = _bucket_and_key(address)
        with _scratch_folder() as folder:
            path = folder / "output"
            yield path
            s3_client().upload_file(
                str(path), bucket, key, ExtraArgs=_upload_options(), Config=_in_one_part()
            )
        return
    final = _local_path(address)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Hidden and unique: no reader's glob matches it, and two attempts never write to the same file.
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def read_small(address: str) -> bytes | None:
    """Return the bytes of a small file, or None if it does not exist.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if not address.startswith("s3://"):
        path = _local_path(address)
        return path.read_bytes() if path.is_file() else None
    bucket, key = _bucket_and_key(address)
    found = _unless_missing(lambda: s3_client().get_object(Bucket=bucket, Key=key))
    return None if found is None else bytes(found["Body"].read())


def put_small(address: str, body: bytes) -> None:
    """Write a small file atomically, replacing an existing one.

    Raises:
        ContractError: The address is none of the three forms.
    """
    with written_whole(address) as path:
        path.write_bytes(body)


def size_of(address: str) -> int | None:
    """Return the size of a file in bytes, or None if it does not exist.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if not address.startswith("s3://"):
        path = _local_path(address)
        return path.stat().st_size if path.is_file() else None
    bucket, key = _bucket_and_key(address)
    found = _unless_missing(lambda: s3_client().head_object(Bucket=bucket, Key=key))
    return None if found is None else int(found["ContentLength"])


def make_durable(address: str) -> None:
    """Make a local file survive a power failure; S3 objects are durable once a write returns.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if address.startswith("s3://"):
        return
    with _local_path(address).open("rb") as file:
        os.fsync(file.fileno())


@cache
def s3_client() -> Any:
    """Return the S3 client of this process, created on first use, so that a local run never imports boto3."""
    return importlib.import_module("boto3").client("s3")


@cache
def _in_one_part() -> Any:
    """Return the configuration of uploads: of one in parts, S3 keeps only the checksums of the parts."""
    return importlib.import_module("boto3.s3.transfer").TransferConfig(multipart_threshold=_LARGEST_PUT)


def _upload_options() -> dict[str, str]:
    """Return the checksum, and encryption and bucket owner from the function's environment, if set there."""
    options = {"ChecksumAlgorithm": "SHA256"}
    if kms_key := os.environ.get("CLUSTER_AWS_KMS_KEY"):
        options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
    if owner := os.environ.get("CLUSTER_AWS_BUCKET_OWNER"):
        options["ExpectedBucketOwner"] = owner
    return options


def _unless_missing(call: Callable[[], T]) -> T | None:
    """Call S3, or return None if the object does not exist."""
    client_error = importlib.import_module("botocore.exceptions").ClientError
    try:
        return call()
    except client_error as error:
        if str(error.response.get("Error", {}).get("Code")) in _MISSING:
            return None
        raise


def _local_path(address: str) -> Path:
    text = unquote(address.removeprefix("file://")) if address.startswith("file://") else address
    if not text.startswith("/"):
        raise ContractError(f"{address!r} is neither an absolute path nor file:/// nor s3://bucket/key")
    return Path(text)


def _bucket_and_key(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise ContractError(f"{address!r} is not s3://bucket/key")
    return bucket, key


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cluster-worker-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
