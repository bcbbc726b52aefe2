"""Iceberg tables: definitions, and MERGE as one commit that fails if another one touched the table.

A snapshot is a folder of Parquet files, which the location of the Glue table names. Iceberg refuses one of
two commits that touch a partition; this server also refuses those of different partitions, which is stricter.
"""

from __future__ import annotations

import re
import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from athena_wire.errors import StatementError

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

_NAME = r"`(?P<database>\w+)`\.`(?P<table>\w+)`"
_CREATE = re.compile(
    rf"CREATE TABLE IF NOT EXISTS {_NAME} \((?P<columns>.*)\) PARTITIONED BY \(`(?P<key>\w+)`\) "
    r"LOCATION '(?P<location>s3://[^']+/)' TBLPROPERTIES \('table_type' = 'ICEBERG', 'format' = 'parquet'\)"
)
_ADD = re.compile(rf"ALTER TABLE {_NAME} ADD COLUMNS \((?P<columns>.*)\)")
_MERGE = re.compile(
    r'MERGE INTO "(?P<database>\w+)"\."(?P<table>\w+)" AS t USING \((?P<source>.*)\) AS s (?P<rest>ON t\..*)',
    re.DOTALL,
)
_COLUMN = re.compile(r"`([^`]+)` ([\w<>]+)")


class Iceberg:
    """Tables in Glue and on S3."""

    def __init__(self, glue: Any, s3: Any, scratch: Path) -> None:
        self._glue = glue
        self._s3 = s3
        self._scratch = scratch
        self._lock = threading.Lock()

    def defines(self, text: str) -> bool:
        """Whether a text defines a table."""
        return bool(_CREATE.fullmatch(text) or _ADD.fullmatch(text))

    def merge_of(self, text: str) -> re.Match[str] | None:
        """The parts of a MERGE: database, table, source and rest."""
        return _MERGE.fullmatch(text)

    def define(self, text: str) -> bool:
        """Create or extend a table; False if the text does neither."""
        if created := _CREATE.fullmatch(text):
            columns = _columns(created["columns"])
            assert created["key"] in [column["Name"] for column in columns]
            described = {"Columns": columns, "Location": f"{created['location']}data/"}
            with suppress(self._glue.exceptions.AlreadyExistsException):
                self._put(created, described, self._glue.create_table)
            return True
        if added := _ADD.fullmatch(text):
            with self._lock:
                described = self._described(added)
                described["Columns"] = [*described["Columns"], *_columns(added["columns"])]
                self._put(added, described, self._glue.update_table)
            return True
        return False

    def snapshot(self, merge: re.Match[str]) -> str:
        """The folder of the newest snapshot."""
        return str(self._described(merge)["Location"])

    def commit(self, connection: duckdb.DuckDBPyConnection, merge: re.Match[str], before: str) -> None:
        """Make the rows of the table `merged` the newest snapshot, if that is still `before`."""
        name = uuid.uuid4().hex
        path = self._scratch / f"{name}.parquet"
        connection.execute(f"COPY merged TO '{path}' (FORMAT parquet)")
        folder = f"{before.partition('data/')[0]}data/{name}/"
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        self._s3.put_object(Bucket=bucket, Key=f"{prefix}rows.parquet", Body=path.read_bytes())
        path.unlink()
        with self._lock:
            described = self._described(merge)
            if described["Location"] != before:
                raise StatementError(
                    "ICEBERG_COMMIT_ERROR: Failed to commit the transaction during write: Found conflicting "
                    "files that can contain records matching true"
                )
            self._put(merge, described | {"Location": folder}, self._glue.update_table)

    def _described(self, named: re.Match[str]) -> dict[str, Any]:
        found = self._glue.get_table(DatabaseName=named["database"], Name=named["table"])["Table"]
        described: dict[str, Any] = found["StorageDescriptor"]
        return described

    def _put(self, named: re.Match[str], described: dict[str, Any], put: Any) -> None:
        table = {
            "Name": named["table"],
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"table_type": "ICEBERG", "metadata_location": described["Location"]},
            "StorageDescriptor": described,
        }
        put(DatabaseName=named["database"], TableInput=table)


def _columns(text: str) -> list[dict[str, str]]:
    return [{"Name": name, "Type": kind} for name, kind in _COLUMN.findall(text)]
