"""Objects on S3 as the engine sees them: listings with ETags, manifests of what a query wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.engines.athena_errors import persistently
from cluster_assets.engines.athena_footers import gone, split_uri

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence

    from cluster_assets.engines.athena_errors import Patience

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
        patience: For throttles and passing faults.
    """

    def __init__(self, s3: Any, patience: Patience) -> None:
        self._s3 = s3
        self._patience = patience

    def list(self, folder: str, stop: threading.Event) -> Iterator[tuple[str, Listed]]:
        """Objects below a folder that Athena would read, with their addresses, in key order.

        Athena leaves out names that begin with `_` or `.`, in subfolders too.
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
        """The named files, and what else lies in their folders.

        Raises:
            SourceMissingError: A file is not there.
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
        """The lines of a small text object, such as the manifest of an UNLOAD."""
        bucket, key = split_uri(uri)

        def read(_: int) -> str:
            return str(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read(), "utf-8")

        text = persistently(read, self._patience, stop, place=uri)
        return tuple(line.strip() for line in text.splitlines() if line.strip())

    def delete(self, uris: Iterable[str], stop: threading.Event) -> None:
        """Remove objects; a missing one is no error."""
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
    """The folders that hold the files, without those that lie below another one.

    >>> topmost_folders(["s3://b/a/x", "s3://b/a/c/y", "s3://b/d/z"])
    ('s3://b/a/', 's3://b/d/')
    """
    kept: list[str] = []
    for folder in sorted({uri.rpartition("/")[0] + "/" for uri in uris}):
        if not kept or not folder.startswith(kept[-1]):
            kept.append(folder)
    return tuple(kept)
