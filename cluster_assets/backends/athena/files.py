"""Objects on S3 for the engine: listings with ETags, and the files of an UNLOAD with exact row counts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from cluster_assets.backends.athena.errors import persistently
from cluster_assets.backends.athena.footers import split_uri
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.backends.sql_base import gone, other_columns
from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from cluster_assets.backends.athena.config import AthenaConfig
    from cluster_assets.backends.athena.footers import Footer
    from cluster_assets.backends.patience import Patience
    from cluster_assets.domain.tables import TableContract

_BATCH = 1000  # keys in one page of a listing, and in one DeleteObjects


@dataclass(frozen=True, slots=True)
class Listed:
    """An object of a listing."""

    bytes: int
    etag: str


class S3Files:
    """Reads listings and small objects.

    Args:
        s3: The boto3 client.
        patience: For throttling and transient faults.
    """

    def __init__(self, s3: Any, patience: Patience) -> None:
        self._s3 = s3
        self._patience = patience

    def list(self, folder: str, stop: threading.Event) -> Iterator[tuple[str, Listed]]:
        """Yield the URIs and objects below a folder that Athena would read, in key order.

        Athena ignores names that begin with `_` or `.`, also in subfolders.
        """
        bucket, prefix = split_uri(folder.rstrip("/") + "/")
        request = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": _BATCH}
        while True:
            page = persistently(
                lambda _: self._s3.list_objects_v2(**request), self._patience, stop, place=folder
            )
            for found in page.get("Contents", ()):
                rest = str(found["Key"]).removeprefix(prefix)
                if (
                    not rest.endswith("/")
                    and rest
                    and not any(part.startswith(("_", ".")) for part in rest.split("/"))
                ):
                    yield f"s3://{bucket}/{found['Key']}", Listed(int(found["Size"]), str(found["ETag"]))
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def list_files(
        self, uris: Iterable[str], stop: threading.Event
    ) -> tuple[dict[str, Listed], frozenset[str]]:
        """Return the named files and the other files in their folders.

        Raises:
            SourceMissingError: A file does not exist.
        """
        wanted = tuple(uris)
        for uri in wanted:
            split_uri(uri)
        found: dict[str, Listed] = {}
        for folder in topmost_folders(wanted):
            found |= dict(self.list(folder, stop))
        for uri in wanted:
            if uri not in found:
                raise gone(uri)
        return {uri: found[uri] for uri in wanted}, frozenset(found.keys() - set(wanted))

    def lines(self, uri: str, stop: threading.Event) -> tuple[str, ...]:
        """Return the lines of a small text object, such as the manifest of an UNLOAD."""
        text = str(self.read(uri, stop), "utf-8")
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def read(self, uri: str, stop: threading.Event) -> bytes:
        """Return the bytes of a small object."""
        bucket, key = split_uri(uri)

        def get(_: int) -> bytes:
            body: bytes = self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            return body

        return persistently(get, self._patience, stop, place=uri)

    def write(self, uri: str, body: bytes, stop: threading.Event, config: AthenaConfig) -> None:
        """Store a small object with its SHA-256, which S3 verifies and keeps, in the configured bucket."""
        bucket, key = split_uri(uri)
        request = {"Bucket": bucket, "Key": key, "Body": body, "ChecksumAlgorithm": "SHA256"}
        if config.results_owner is not None:
            request["ExpectedBucketOwner"] = config.results_owner
        if config.kms_key is not None:
            request |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": config.kms_key}
        persistently(lambda _: self._s3.put_object(**request), self._patience, stop, place=uri)

    def delete(self, uris: Iterable[str], stop: threading.Event) -> None:
        """Remove objects; a missing object is not an error."""
        by_bucket: dict[str, list[str]] = {}
        for uri in uris:
            bucket, key = split_uri(uri)
            by_bucket.setdefault(bucket, []).append(key)
        for bucket, keys in by_bucket.items():
            for start in range(0, len(keys), _BATCH):
                self._delete(bucket, keys[start : start + _BATCH], stop)

    def _delete(self, bucket: str, keys: Sequence[str], stop: threading.Event) -> None:
        objects = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        persistently(
            lambda _: self._s3.delete_objects(Bucket=bucket, Delete=objects),
            self._patience,
            stop,
            place=bucket,
        )


def topmost_folders(uris: Iterable[str]) -> tuple[str, ...]:
    """Return the folders of the files, without subfolders of other returned folders.

    >>> topmost_folders(["s3://b/a/x", "s3://b/a/c/y", "s3://b/d/z"])
    ('s3://b/a/', 's3://b/d/')
    """
    kept: list[str] = []
    for folder in sorted({uri.rpartition("/")[0] + "/" for uri in uris}):
        if not kept or not folder.startswith(kept[-1]):
            kept.append(folder)
    return tuple(kept)


_INTEGER = re.compile(r"-?\d+", re.ASCII)


def written_files(name: str, table: TableContract, footers: Mapping[str, Footer]) -> tuple[WrittenFile, ...]:
    """Return the files that hold rows, by partition value and then by URI.

    Args:
        name: The statement, for messages.
        table: The contract they must fill.
        footers: The footer of each file.

    Raises:
        EngineError: The columns differ from the contract, or a partition value is not an integer.
    """
    column = table.partitioned_by
    expected = tuple(one for one in table.columns if one.name != column)
    for footer in footers.values():
        if footer.columns != expected:
            raise other_columns(name, table.name, footer.columns, expected)
    files = [
        WrittenFile(uri, footer.rows, footer.bytes, None if column is None else _value(name, column, uri))
        for uri, footer in footers.items()
        if footer.rows
    ]
    return tuple(sorted(files, key=lambda file: (int(file.partition or 0), file.uri)))


def _value(name: str, column: str, uri: str) -> str:
    prefix = f"{column}="
    folder = uri.split("/")[-2]
    value = unquote(folder.removeprefix(prefix))
    if not folder.startswith(prefix) or not _INTEGER.fullmatch(value):
        raise EngineError(
            f"{name} returns {value or 'nothing'} for the partition column {column}; expected an integer",
            where=uri,
        )
    return value
