"""Parquet footers on S3: columns, exact row count and chunk sizes of a file with one or two small reads."""

from __future__ import annotations

import re
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
from botocore.exceptions import ClientError

from cluster_assets.backends.athena.errors import persistently
from cluster_assets.backends.duckdb.files import parquet_columns
from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.sql_base import gone, unreadable
from cluster_assets.domain.errors import EngineError, SourceMissingError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cluster_assets.backends.patience import Patience
    from cluster_assets.domain.tables import Column

_URI = re.compile(r"s3://([^/]+)/(.*)", re.DOTALL)
_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # length of the footer, magic
_FIRST_READ = 64 * 1024
_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a Parquet file.

    Attributes:
        bytes: Size of the file.
        rows: Number of rows.
        columns: Top-level columns with Athena types.
        chunks: Compressed bytes of the leaves, by their path: `x` or, in a nested column, `x, list, element`.
    """

    bytes: int
    rows: int
    columns: tuple[Column, ...]
    chunks: Mapping[str, int]

    def scan_bytes(self, columns: Collection[str]) -> int:
        """Return the bytes of the chunks of some columns; names are case-insensitive."""
        names = [name.lower() for name in columns]
        return sum(
            size
            for path, size in self.chunks.items()
            if any(path.lower() == name or path.lower().startswith(f"{name}, ") for name in names)
        )


class ParquetFooters:
    """Reads footers concurrently and caches them by ETag.

    Args:
        s3: The boto3 client.
        parallel: Maximum number of concurrent requests.
        patience: For throttling and transient faults.
    """

    def __init__(self, s3: Any, parallel: int, patience: Patience) -> None:
        self._s3 = s3
        self._parallel = parallel
        self._patience = patience
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], Footer] = {}

    def read(self, etags: Mapping[str, str], stop: threading.Event) -> dict[str, Footer]:
        """Return the footers by URI.

        Args:
            etags: The ETag of each file in the listing.
            stop: Set to end the wait.

        Raises:
            SourceMissingError: A file does not exist.
            SourceUnreadableError: A file is not Parquet, or truncated.
        """
        with self._lock:
            found = {uri: self._known[uri, tag] for uri, tag in etags.items() if (uri, tag) in self._known}
        wanted = [uri for uri in etags if uri not in found]
        if wanted:
            with ThreadPoolExecutor(min(self._parallel, len(wanted)), "parquet-footer") as pool:
                ends = list(pool.map(lambda uri: self._end(uri, stop), wanted))
            new = _decode(dict(zip(wanted, ends, strict=True)))
            with self._lock:
                if len(self._known) + len(new) > _REMEMBERED:
                    self._known.clear()
                self._known |= {(uri, etags[uri]): footer for uri, footer in new.items()}
            found |= new
        return found

    def _end(self, uri: str, stop: threading.Event) -> tuple[int, bytes]:
        """Return the size of a file, and its footer including the magic bytes."""
        total, tail = self._last(uri, _FIRST_READ, stop)
        if not tail:
            raise unreadable(uri, "it is empty")
        if len(tail) < _TAIL_BYTES + len(_MAGIC) or not tail.endswith(_MAGIC):
            raise unreadable(uri, "its last bytes are not those of a Parquet file")
        length = int.from_bytes(tail[-_TAIL_BYTES : -len(_MAGIC)], "little") + _TAIL_BYTES
        if length > total:
            raise unreadable(uri, "its footer is longer than the file")
        if length > len(tail):
            total, tail = self._last(uri, length, stop)
        return total, _MAGIC + tail[-length:]

    def _last(self, uri: str, length: int, stop: threading.Event) -> tuple[int, bytes]:
        bucket, key = split_uri(uri)

        def get(_: int) -> tuple[int, bytes]:
            answer = self._s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{length}")
            body: bytes = answer["Body"].read()
            place = str(answer.get("ContentRange", ""))
            return int(place.rpartition("/")[2] or len(body)), body

        try:
            return persistently(get, self._patience, stop, place=uri)
        except SourceMissingError as error:
            raise gone(uri) from error
        except EngineError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"]["Code"] == "InvalidRange":
                return 0, b""  # S3's response for an empty object
            raise


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of a URI.

    Raises:
        EngineError: The URI is not on S3.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise EngineError(
            f"Athena reads and writes only s3:// URIs, not {uri}",
            remedy="copy the files to S3, or use the target local",
        )
    return match[1], match[2]


def _decode(ends: Mapping[str, tuple[int, bytes]]) -> dict[str, Footer]:
    """Decode footers with DuckDB, which can read the schema from a file that has only a footer."""
    with tempfile.TemporaryDirectory(prefix="parquet-footers-") as folder:
        paths = {uri: str(Path(folder, f"{number}.parquet")) for number, uri in enumerate(ends)}
        for uri, path in paths.items():
            Path(path).write_bytes(ends[uri][1])
        with duckdb.connect(
            config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
        ) as connection:
            columns = _columns(connection, paths)
            listed = {"paths": list(paths.values())}
            counted = connection.execute(
                "SELECT file_name, num_rows FROM parquet_file_metadata($paths)", listed
            ).fetchall()
            measured = connection.execute(
                "SELECT file_name, path_in_schema, sum(total_compressed_size)::BIGINT "
                "FROM parquet_metadata($paths) GROUP BY ALL",
                listed,
            ).fetchall()
    rows = dict(counted)
    chunks: dict[str, dict[str, int]] = {path: {} for path in paths.values()}
    for path, leaf, size in measured:
        if leaf is not None:  # None for a file without row groups
            chunks[path][leaf] = int(size)
    return {
        uri: Footer(ends[uri][0], int(rows[path]), columns[path], chunks[path]) for uri, path in paths.items()
    }


def _columns(
    connection: duckdb.DuckDBPyConnection, paths: Mapping[str, str]
) -> Mapping[str, tuple[Column, ...]]:
    try:
        return parquet_columns(connection, FileRelation(tuple(paths.values())))
    except duckdb.Error as error:
        for uri, path in paths.items():
            _check(connection, uri, path)
        raise EngineError(f"the footers of {_few(paths)} cannot be read: {error}") from error


def _check(connection: duckdb.DuckDBPyConnection, uri: str, path: str) -> None:
    try:
        parquet_columns(connection, FileRelation((path,)))
    except duckdb.Error as error:
        raise unreadable(uri, "its footer is invalid") from error


def _few(names: Collection[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (", …" if len(names) > 3 else "")
