"""Glue tables as FROM items of DuckDB, with the bytes that reading them takes."""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
import sqlglot.expressions as exp
from botocore.exceptions import ClientError

from athena_wire.errors import StatementError
from cluster_assets.backends.duckdb.files import from_item, parquet_columns
from cluster_assets.backends.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

PATH = "$path"
_VIEW = re.compile(r"/\* Presto View: (\S+) \*/")


@dataclass(frozen=True)
class Wanted:
    """What a query reads of a table.

    Attributes:
        columns: Names in lower case; None for all.
        paths: The only files, where it names them.
        partition: Values that partition columns must have.
    """

    columns: frozenset[str] | None
    paths: frozenset[str] | None = None
    partition: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Folder:
    """A location with the values of its partition."""

    uri: str
    values: dict[str, str]


class Tables:
    """Reads definitions from Glue and objects from S3 into a mirror on this machine."""

    def __init__(self, glue: Any, s3: Any, mirror: Path) -> None:
        self._glue = glue
        self._s3 = s3
        self.mirror = mirror
        self._lock = threading.Lock()
        self._etags: dict[str, str] = {}

    def view(self, database: str, name: str) -> exp.Query | None:
        """The query of a view, its tables named in full; None for a table."""
        table = self._table(database, name)
        if table.get("TableType") != "VIRTUAL_VIEW":
            return None
        found = _VIEW.search(table["ViewOriginalText"])
        assert found is not None
        view = json.loads(base64.b64decode(found[1]))
        tree = sqlglot.parse_one(view["originalSql"], read="athena")
        assert isinstance(tree, exp.Query)
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        for one in tree.find_all(exp.Table):
            if not one.db and one.name not in local:
                one.set("db", exp.to_identifier(view["schema"], quoted=True))
        return tree

    def item(
        self, connection: duckdb.DuckDBPyConnection, database: str, name: str, wanted: Wanted
    ) -> tuple[exp.Expr, int]:
        """The FROM item of a table, and the bytes it takes to read."""
        table = self._table(database, name)
        columns = {str(one["Name"]): str(one["Type"]) for one in table["StorageDescriptor"]["Columns"]}
        keys = [str(one["Name"]) for one in table.get("PartitionKeys", ())]
        parts: list[exp.Expr] = []
        scanned = 0
        for folder in self._folders(table, keys, wanted):
            uris = [uri for uri in self._list(folder.uri) if wanted.paths is None or uri in wanted.paths]
            if uris:
                paths = [self._local(uri) for uri in uris]
                scanned += sum(_bytes_of(connection, path, wanted) for path in paths)
                parts.append(self._select(connection, paths, columns, folder.values))
        if not parts:
            empty = [_cast(exp.null(), kind, column) for column, kind in columns.items()]
            empty += [_cast(exp.null(), "string", key) for key in [*keys, PATH]]
            return exp.select(*empty).where(exp.false()).subquery(), 0
        whole = parts[0]
        for part in parts[1:]:
            whole = exp.Union(this=whole, expression=part, distinct=False)
        return exp.Subquery(this=whole), scanned

    def _table(self, database: str, name: str) -> Any:
        try:
            return self._glue.get_table(DatabaseName=database.lower(), Name=name.lower())["Table"]
        except ClientError as error:
            raise StatementError(
                f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.{name}' does not exist"
            ) from error

    def _folders(self, table: Any, keys: list[str], wanted: Wanted) -> Iterable[Folder]:
        if not keys:
            yield Folder(table["StorageDescriptor"]["Location"], {})
            return
        pages = self._glue.get_paginator("get_partitions").paginate(
            DatabaseName=table["DatabaseName"], TableName=table["Name"]
        )
        for page in pages:
            for partition in page["Partitions"]:
                values = dict(zip(keys, partition["Values"], strict=True))
                if all(values.get(key) == value for key, value in wanted.partition.items()):
                    yield Folder(partition["StorageDescriptor"]["Location"], values)

    def _list(self, folder: str) -> list[str]:
        bucket, _, prefix = folder.removeprefix("s3://").partition("/")
        prefix = prefix.rstrip("/") + "/" if prefix else ""
        found = []
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                rest = one["Key"].removeprefix(prefix)
                if rest and not any(part.startswith(("_", ".")) for part in rest.split("/")):
                    found.append(f"s3://{bucket}/{one['Key']}")
                    self._mirror(bucket, one["Key"], one["ETag"])
        return found

    def _mirror(self, bucket: str, key: str, etag: str) -> None:
        uri = f"s3://{bucket}/{key}"
        with self._lock:
            if self._etags.get(uri) != etag:
                path = Path(self._local(uri))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
                self._etags[uri] = etag

    def _local(self, uri: str) -> str:
        return f"{self.mirror}/{uri.removeprefix('s3://')}"

    def _select(
        self,
        connection: duckdb.DuckDBPyConnection,
        paths: list[str],
        columns: dict[str, str],
        values: dict[str, str],
    ) -> exp.Expr:
        relation = FileRelation(tuple(paths))
        stored = {
            column.name.lower(): column.name
            for found in parquet_columns(connection, relation).values()
            for column in found
        }
        shown = []
        for name, kind in columns.items():
            source = exp.column(stored[name], quoted=True) if name in stored else exp.null()
            shown.append(_cast(source, kind, name))
        shown += [_cast(exp.Literal.string(value), "string", key) for key, value in values.items()]
        rest = exp.func(
            "SUBSTR", exp.column(PATH, quoted=True), exp.Literal.number(len(str(self.mirror)) + 2)
        )
        address = exp.DPipe(this=exp.Literal.string("s3://"), expression=rest)
        shown.append(exp.alias_(address, PATH, quoted=True))
        return exp.select(*shown).from_(from_item(relation, with_path=True), dialect="duckdb")


def wanted_of(table: exp.Table, columns: frozenset[str] | None) -> Wanted:
    """What the SELECT around a table lets through by file and by partition."""
    select = table.find_ancestor(exp.Select)
    where = None if select is None else select.args.get("where")
    if select is None or where is None or select.args.get("joins"):
        return Wanted(columns)
    tests = list(where.this.flatten()) if isinstance(where.this, exp.And) else [where.this]
    paths: frozenset[str] | None = None
    partition = {}
    for test in tests:
        values = [one.name for one in test.expressions] if isinstance(test, exp.In) else []
        if isinstance(test, exp.EQ) and isinstance(test.expression, exp.Literal):
            values = [test.expression.name]
        if values and isinstance(test.this, exp.Column) and test.this.name == PATH:
            paths = frozenset(values)
        elif len(values) == 1 and isinstance(test.this, exp.Column):
            partition[test.this.name.lower()] = values[0]
    return Wanted(columns, paths, partition)


def _bytes_of(connection: duckdb.DuckDBPyConnection, path: str, wanted: Wanted) -> int:
    """Compressed bytes of the column chunks a query reads of a file."""
    chunks = connection.execute(
        "SELECT path_in_schema, total_compressed_size FROM parquet_metadata($path)", {"path": path}
    ).fetchall()
    return sum(
        size
        for name, size in chunks
        if wanted.columns is None or name.partition(",")[0].strip().lower() in wanted.columns
    )


def _cast(value: exp.Expr, kind: str, name: str) -> exp.Expr:
    cast = exp.Cast(this=value, to=exp.DataType.build(kind, dialect="hive"))
    return exp.alias_(cast, name, quoted=True)
