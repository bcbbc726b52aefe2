"""Each target's own reader: what another team gets, without the code that published it."""

from __future__ import annotations

import gzip
import json
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
from botocore.exceptions import ClientError
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import TableNotFoundError
from warehouse import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Mapping

Rows = list[dict[str, Any]]
WITH_DAY = ("lineage", "overlaps")
"""Tables with a column `day` of their own."""


def read_json_file(folder: Path, table: str, day: str, pipeline: str = PIPELINE) -> Rows | None:
    """Decompressed and parsed line by line."""
    path = folder / pipeline / table / f"day={day}.jsonl.gz"
    return _lines(path.read_bytes()) if path.exists() else None


def read_json_object(s3: Any, bucket: str, prefix: str, table: str, day: str) -> Rows | None:
    """The same from S3."""
    try:
        found = s3.get_object(Bucket=bucket, Key=f"{prefix}/{PIPELINE}/{table}/day={day}.jsonl.gz")
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            return None
        raise
    return _lines(found["Body"].read())


def read_sqlite(path: Path, table: str, day: str, pipeline: str = PIPELINE) -> Rows | None:
    """The pointer, then the items it points to, in one transaction."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN")
        found = connection.execute("SELECT item FROM items WHERE pk = ?", (pipeline,)).fetchone()
        if found is None or (pointer := json.loads(found[0]))["day"] != day:
            return None
        items = connection.execute(
            "SELECT item FROM items WHERE substr(pk, 1, ?) = ?",
            (len(prefix := f"{pipeline}#{pointer['publication']}#"), prefix),
        ).fetchall()
    finally:
        connection.close()
    return _rows([json.loads(item) for (item,) in items], pointer)


def read_dynamodb(dynamodb: Any, name: str, table: str, day: str, pipeline: str = PIPELINE) -> Rows | None:
    """The pointer, then all items it points to."""
    found = dynamodb.get_item(TableName=name, Key={"pk": {"S": pipeline}}, ConsistentRead=True).get("Item")
    if found is None or (pointer := _plain(found))["day"] != day:
        return None
    request = {
        "TableName": name,
        "FilterExpression": "begins_with(pk, :prefix)",
        "ExpressionAttributeValues": {":prefix": {"S": f"{pipeline}#{pointer['publication']}#"}},
        "ConsistentRead": True,
    }
    items: Rows = []
    for page in dynamodb.get_paginator("scan").paginate(**request):
        items += [_plain(item) for item in page["Items"]]
    return _rows(items, pointer)


def read_delta(root: str, options: Mapping[str, str] | None, table: str, day: str) -> Rows | None:
    """By the query engine of deltalake; None where there is no table or no row of the day."""
    try:
        found = DeltaTable(root, storage_options=dict(options) if options else None)
    except TableNotFoundError:
        return None
    rows = QueryBuilder().register("t", found).execute(f"SELECT * FROM t WHERE day = '{day}'").read_all()
    columns = {name: rows.column(name).to_pylist() for name in rows.schema.names}
    read = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if table not in WITH_DAY:  # the day is the partition, not a column of the table
        for row in read:
            row.pop("day")
    return read


def read_iceberg(glue: Any, s3: Any, database: str, table: str, day: str) -> Rows | None:
    """The files of the newest snapshot on the server of the tests."""
    try:
        found = glue.get_table(DatabaseName=database, Name=f"{PIPELINE}_{table}")["Table"]
    except glue.exceptions.EntityNotFoundException:
        return None
    bucket, _, prefix = found["StorageDescriptor"]["Location"].removeprefix("s3://").partition("/")
    with TemporaryDirectory() as folder:
        path = Path(folder, "rows.parquet")
        try:
            path.write_bytes(s3.get_object(Bucket=bucket, Key=f"{prefix}rows.parquet")["Body"].read())
        except s3.exceptions.NoSuchKey:
            return None
        with duckdb.connect() as connection:
            cursor = connection.execute(
                "SELECT * EXCLUDE (publication) FROM read_parquet(?) WHERE day = ?", [str(path), day]
            )
            names = [column[0] for column in cursor.description or ()]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    if table not in WITH_DAY:
        for row in rows:
            row.pop("day")
    return rows


def _lines(body: bytes) -> Rows:
    return [json.loads(line) for line in gzip.decompress(body).splitlines()]


def _plain(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    read = {"S": str, "N": lambda text: float(text) if "." in text or "e" in text else int(text)}
    return {name: read[kind](value) for name, typed in item.items() for kind, value in typed.items()}


def _rows(items: Rows, pointer: dict[str, Any]) -> Rows:
    """Rows as in the table; a publication is whole, or a reader would see too few."""
    assert len(items) == pointer["items"], f"{len(items)} items of {pointer['items']}"
    return [{name: value for name, value in item.items() if name not in ("pk", "expires")} for item in items]
