"""Where Delta tables are, and how the Parquet files of a day get there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.manifests import DataFile
    from cluster_assets.publish.aws_faults import Calls
    from cluster_assets.publish.target import TableDay

S3_COPY_BYTES = 5 * 1024**3
"""The largest object that S3 copies in one CopyObject."""
_FOREVER = {"delta.deletedFileRetentionDuration": "interval 36500 days"}


@dataclass(frozen=True, slots=True)
class PlacedFile:
    """A Parquet file where a Delta table finds it.

    Attributes:
        name: Path relative to the table's root.
        copied: Whether its bytes were copied.
    """

    name: str
    rows: int
    bytes: int
    copied: bool


class DeltaFiles(Protocol):
    """The files of Delta tables.

    Attributes:
        configuration: Properties of new tables.
    """

    configuration: Mapping[str, str] | None

    def root(self, table: TableDay) -> str:
        """Return the address of the Delta table of a pipeline table."""
        ...

    def place(self, table: TableDay) -> tuple[PlacedFile, ...]:
        """Bring the files of the day to their names; safe to repeat.

        Raises:
            PublicationError: The storage refuses or fails.
        """
        ...


class WarehouseFiles:
    """Files that stay in the warehouse: the Delta table is the folder of the stage, nothing is copied.

    `gc` keeps what the newest snapshot names. VACUUM would remove what other versions of the day need, so the
    retention of new tables makes it keep everything.
    """

    configuration: Mapping[str, str] | None = _FOREVER

    def root(self, table: TableDay) -> str:
        """Return the folder of the stage.

        Raises:
            PublicationError: The table shares its stage's folder with the stage's main table.
        """
        stage = table.snapshot.manifest.stage
        if table.name != stage:
            raise PublicationError(
                f"the files of {table.name} lie in the folder of {stage}, which is one Delta table",
                where=f"{table.pipeline}: publish",
                remedy=f"publish {table.name} to delta with copy: true, or to snowflake with mode: copy",
            )
        return table.store.uri(f"{table.pipeline}/{stage}")

    def place(self, table: TableDay) -> tuple[PlacedFile, ...]:
        """Return the files where they are."""
        return tuple(
            PlacedFile(file.key.split("/", 2)[2], file.rows, file.bytes, copied=False)
            for file in _data_files(table)
        )


class _OwnFiles:
    """Files below the root of a Delta table of their own."""

    configuration: Mapping[str, str] | None = None

    def __init__(self, template: str) -> None:
        self._template = template

    def root(self, table: TableDay) -> str:
        """Return the address with the table's name in the place of `{table}`."""
        return self._template.replace("{table}", f"{table.pipeline}_{table.name}")

    def _name(self, table: TableDay, number: int) -> str:
        """Return a path in the folder of the day, named after the attempt that computed it."""
        return f"{table.day.prefix}/{table.snapshot.manifest.attempt}-{number:05d}.parquet"


class FolderFiles(_OwnFiles):
    """Files in a folder of this machine: hard links, which take no room, or copies.

    Args:
        template: The folder, `{table}` for the table.
        copies: Copy rather than link.
    """

    def __init__(self, template: str, *, copies: bool) -> None:
        super().__init__(template)
        self._copies = copies

    def place(self, table: TableDay) -> tuple[PlacedFile, ...]:
        """Link or copy the files; a link keeps the bytes after `gc` has removed the warehouse's name.

        Raises:
            PublicationError: The folder cannot be written, or is on another disk than the files.
        """
        placed = []
        root = Path(self.root(table))
        for number, file in enumerate(_data_files(table)):
            target = root / self._name(table, number)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                copied = self._bring(table.store, file.key, target)
            except OSError as error:
                raise PublicationError(
                    f"a file cannot be put into the Delta table: {error}",
                    where=str(target),
                    remedy="choose a folder that may be written, or copy: true where it is on another disk",
                ) from error
            placed.append(PlacedFile(self._name(table, number), file.rows, file.bytes, copied))
        return tuple(placed)

    def _bring(self, store: ObjectStore, key: str, target: Path) -> bool:
        uri = store.uri(key)
        if target.exists():
            return False  # names hold the attempt: it is the same file
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        if "://" in uri:
            draft.write_bytes(store.read(key))
        elif self._copies:
            shutil.copyfile(uri, draft)
        else:
            os.link(uri, draft)
        draft.replace(target)
        return self._copies or "://" in uri


class S3Files(_OwnFiles):
    """Copies in a bucket.

    Args:
        s3: A boto3 client that tries each call once.
        template: An `s3://` address, `{table}` for the table.
        calls: Retries and messages.
        extra: Further parameters of every object, such as the encryption key.
    """

    def __init__(self, s3: Any, template: str, calls: Calls, extra: dict[str, str] | None = None) -> None:
        super().__init__(template)
        self._s3 = s3
        self._calls = calls
        self._extra = extra or {}

    def place(self, table: TableDay) -> tuple[PlacedFile, ...]:
        """Copy the files, from S3 inside S3.

        Raises:
            PublicationError: A file is too large for one copy, or S3 refuses or keeps failing.
        """
        placed = []
        bucket, _, prefix = self.root(table).removeprefix("s3://").partition("/")
        for number, file in enumerate(_data_files(table)):
            if file.bytes > S3_COPY_BYTES:
                raise PublicationError(
                    f"a file of {counted(file.bytes, 'byte')} exceeds S3's limit of one copy",
                    where=table.store.uri(file.key),
                    remedy="publish without copy: true",
                )
            name = self._name(table, number)
            self._copy(table.store, file.key, {"Bucket": bucket, "Key": f"{prefix}/{name}", **self._extra})
            placed.append(PlacedFile(name, file.rows, file.bytes, copied=True))
        return tuple(placed)

    def _copy(self, store: ObjectStore, key: str, target: dict[str, str]) -> None:
        uri = store.uri(key)
        if uri.startswith("s3://"):
            bucket, _, source = uri.removeprefix("s3://").partition("/")
            self._calls.call(
                lambda: self._s3.copy_object(CopySource={"Bucket": bucket, "Key": source}, **target)
            )
            return
        body = store.read(key)
        self._calls.call(lambda: self._s3.put_object(Body=body, **target))


def _data_files(table: TableDay) -> tuple[DataFile, ...]:
    return table.snapshot.data.files
