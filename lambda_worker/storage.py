"""Files by address: an absolute path, `file://` or `s3://bucket/key`. Output appears whole or not at all."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import uuid
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lambda_worker.contract import ContractError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING = {"404", "NoSuchKey", "NoSuchBucket"}


@contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The file behind an address as a local path; a copy from S3 is removed afterwards.

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
        _download(bucket, key, path)
        yield path


@contextmanager
def written_whole(address: str) -> Iterator[Path]:
    """A path to write to; what is there at a normal exit becomes the file at `address` in one step.

    An identical rerun replaces the file by the same bytes. Durability on disk is the store's duty:
    it syncs a file when it takes its digest.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if address.startswith("s3://"):
        bucket, key = _bucket_and_key(address)
        with _scratch_folder() as folder:
            path = folder / "output"
            yield path
            s3_client().upload_file(str(path), bucket, key, ExtraArgs=_upload_options())
        return
    final = _local_path(address)
    final.parent.mkdir(parents=True, exist_ok=True)
    # Hidden and unique: no reader's glob takes it, and two attempts never write to the same one.
    partial = final.with_name(f".{final.name}.{uuid.uuid4().hex}.partial")
    try:
        yield partial
        partial.replace(final)
    finally:
        partial.unlink(missing_ok=True)


def read_small(address: str) -> bytes | None:
    """The bytes of a small file, None when there is none.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if not address.startswith("s3://"):
        path = _local_path(address)
        return path.read_bytes() if path.is_file() else None
    bucket, key = _bucket_and_key(address)
    client_error = importlib.import_module("botocore.exceptions").ClientError
    try:
        body: bytes = s3_client().get_object(Bucket=bucket, Key=key)["Body"].read()
    except client_error as error:
        if _code(error) in _MISSING:
            return None
        raise
    return body


def put_small(address: str, body: bytes) -> None:
    """Write a small file whole; what stood there is replaced.

    Raises:
        ContractError: The address is none of the three forms.
    """
    with written_whole(address) as path:
        path.write_bytes(body)


def size_of(address: str) -> int | None:
    """Bytes of a file, None when there is none.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if not address.startswith("s3://"):
        path = _local_path(address)
        return path.stat().st_size if path.is_file() else None
    bucket, key = _bucket_and_key(address)
    client_error = importlib.import_module("botocore.exceptions").ClientError
    try:
        size: int = s3_client().head_object(Bucket=bucket, Key=key)["ContentLength"]
    except client_error as error:
        if _code(error) in _MISSING:
            return None
        raise
    return size


def make_durable(address: str) -> None:
    """Have a local file survive a loss of power; S3 answers only when an object does.

    Raises:
        ContractError: The address is none of the three forms.
    """
    if address.startswith("s3://"):
        return
    with _local_path(address).open("rb") as file:
        os.fsync(file.fileno())


@cache
def s3_client() -> Any:
    """The S3 client of this process, made at first use: a local run never imports boto3."""
    return importlib.import_module("boto3").client("s3")


def _upload_options() -> dict[str, str]:
    """Encryption and owner as the function's environment says; without it, as the bucket does by itself."""
    options: dict[str, str] = {}
    if kms_key := os.environ.get("CLUSTER_AWS_KMS_KEY"):
        options |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
    if owner := os.environ.get("CLUSTER_AWS_BUCKET_OWNER"):
        options["ExpectedBucketOwner"] = owner
    return options


def _download(bucket: str, key: str, path: Path) -> None:
    client_error = importlib.import_module("botocore.exceptions").ClientError
    try:
        s3_client().download_file(bucket, key, str(path))
    except client_error as error:
        if _code(error) in _MISSING:
            raise InputError(f"there is no file s3://{bucket}/{key}") from error
        raise


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code"))


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
