"""The statements the server understands, each run on DuckDB through the project's own transpilation."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import sqlglot
import sqlglot.expressions as exp
from botocore.exceptions import ClientError
from sqlglot.errors import SqlglotError

from athena_wire.errors import RequestError, StatementError, of_duckdb
from athena_wire.iceberg import Iceberg
from athena_wire.tables import PATH, wanted_of
from athena_wire.values import text_of, type_name
from cluster_assets.backends.duckdb.sql import duckdb_text
from cluster_assets.backends.ports import Statement
from cluster_assets.domain.errors import ClusterAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from athena_wire.tables import Tables

UNLOAD = re.compile(
    r"\s*unload\s*\((?P<query>.*)\)\s*to\s*'(?P<target>(?:[^']|'')*)'\s*with\s*\((?P<options>.*)\)\s*",
    re.IGNORECASE | re.DOTALL,
)
_OPTION = re.compile(r"(\w+)\s*=\s*'([^']*)'")
PARTITIONED = re.compile(r"partitioned_by\s*=\s*array\s*\[\s*'([^']*)'\s*\]", re.IGNORECASE)
_MOST_PARTITIONS = 100
_CREATE_DATABASE = re.compile(
    r"\s*create\s+(?:database|schema)\s+(if\s+not\s+exists\s+)?[`\"]?(\w+)[`\"]?\s*", re.IGNORECASE
)
_DROP_TABLE = re.compile(
    r"\s*drop\s+table\s+(if\s+exists\s+)?[`\"]?(?:(\w+)[`\"]?\.[`\"]?)?(\w+)[`\"]?\s*", re.IGNORECASE
)


@dataclass
class Outcome:
    """What a statement gave.

    Attributes:
        kind: DML or DDL.
        columns: Names and types of the result.
        rows: Texts of the result.
        files: Addresses of what an UNLOAD wrote; None for other statements.
        scanned: Bytes read.
    """

    kind: str = "DML"
    columns: list[tuple[str, str]] = field(default_factory=list)
    rows: list[tuple[str | None, ...]] = field(default_factory=list)
    files: list[str] | None = None
    scanned: int = 0


@dataclass
class Run:
    """One run of a statement.

    Attributes:
        database: For tables named without one.
        scanning: Told the bytes before they are read; raises to stop the query.
        connected: Told the connection, so that it can be interrupted.
    """

    database: str
    scanning: Callable[[int], None]
    connected: Callable[[duckdb.DuckDBPyConnection], None]


class Statements:
    """Parses and runs texts."""

    def __init__(self, tables: Tables, glue: Any, s3: Any, scratch: Path) -> None:
        self._tables = tables
        self._glue = glue
        self._s3 = s3
        self._scratch = scratch
        self.files_per_write = 2
        self._iceberg = Iceberg(glue, s3, scratch)

    def check(self, text: str) -> None:
        """Refuse what Athena refuses at once: a text that does not parse."""
        if _CREATE_DATABASE.fullmatch(text) or _DROP_TABLE.fullmatch(text) or self._iceberg.defines(text):
            return
        if merge := self._iceberg.merge_of(text):
            text = merge["source"]
        unload = UNLOAD.fullmatch(text)
        try:
            trees = sqlglot.parse(unload["query"] if unload else text, read="athena")
        except SqlglotError as error:
            plain = re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()[0]
            raise RequestError("InvalidRequestException", f"line 1:1: {plain}", "MALFORMED_QUERY") from error
        if len(trees) != 1 or not isinstance(trees[0], exp.Query):
            raise RequestError("InvalidRequestException", "line 1:1: not one query", "MALFORMED_QUERY")

    def run(self, text: str, run: Run) -> Outcome:
        """Run a statement that `check` let through."""
        if created := _CREATE_DATABASE.fullmatch(text):
            return self._create_database(created[2], quiet=bool(created[1]))
        if dropped := _DROP_TABLE.fullmatch(text):
            return self._drop_table(dropped[2] or run.database, dropped[3], quiet=bool(dropped[1]))
        if self._iceberg.define(text):
            return Outcome("DDL")
        unload, merge = UNLOAD.fullmatch(text), self._iceberg.merge_of(text)
        with duckdb.connect(config={"threads": 1}) as connection:
            run.connected(connection)
            connection.execute("SET integer_division = true")
            connection.execute("SET TimeZone = 'UTC'")
            try:
                if merge:
                    return self._merge(connection, merge, run)
                query, scanned = self._query(connection, unload["query"] if unload else text, run)
                if unload:
                    target = unload["target"].replace("''", "'")
                    files = self._unload(connection, query, target, unload["options"])
                    return Outcome(files=files, scanned=scanned)
                return _select(connection, query, scanned)
            except duckdb.Error as error:
                raise of_duckdb(error, str(self._tables.mirror)) from error

    def _merge(self, connection: duckdb.DuckDBPyConnection, merge: re.Match[str], run: Run) -> Outcome:
        snapshot = self._iceberg.snapshot(merge)
        rows, _ = self._query(connection, f'SELECT * FROM "{merge["database"]}"."{merge["table"]}"', run)
        connection.execute(f'CREATE TEMP TABLE merged AS SELECT * EXCLUDE ("{PATH}") FROM ({rows})')
        source, scanned = self._query(connection, merge["source"], run)
        connection.execute(f"MERGE INTO merged AS t USING ({source}) AS s {merge['rest']}")
        self._iceberg.commit(connection, merge, snapshot)
        return Outcome(scanned=scanned)

    def _query(self, connection: duckdb.DuckDBPyConnection, text: str, run: Run) -> tuple[str, int]:
        """The text for DuckDB, and the bytes it reads."""
        tree = sqlglot.parse_one(text, read="athena")
        self._expand_views(tree, run.database)
        columns = _mentioned(tree)
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        items: dict[str, exp.Expr] = {}
        scanned = 0
        for table in list(tree.find_all(exp.Table)):
            if not table.name or (not table.db and table.name in local):
                continue
            database = table.db or run.database
            item, size = self._tables.item(connection, database, table.name, wanted_of(table, columns))
            alias, number = table.alias_or_name, f"table {len(items)} of the query"
            items[number] = item
            scanned += size
            table.replace(exp.table_(number, quoted=True, alias=exp.to_identifier(alias, quoted=True)))
        run.scanning(scanned)
        try:
            texts = {name: item.sql("duckdb") for name, item in items.items()}
            return duckdb_text(Statement("query", tree), texts), scanned
        except ClusterAssetsError as error:
            raise StatementError(f"NOT_SUPPORTED: {error.what}") from error

    def _expand_views(self, tree: exp.Expr, database: str) -> None:
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        for table in list(tree.find_all(exp.Table)):
            if not table.name or (not table.db and table.name in local):
                continue
            if table.catalog not in ("", "awsdatacatalog"):
                raise StatementError(f"CATALOG_NOT_FOUND: line 1:15: Catalog '{table.catalog}' not found")
            view = self._tables.view(table.db or database, table.name)
            if view is not None:
                self._expand_views(view, database)
                table.replace(view.subquery(exp.to_identifier(table.alias_or_name, quoted=True)))

    def _unload(
        self, connection: duckdb.DuckDBPyConnection, query: str, target: str, options: str
    ) -> list[str]:
        given = {name.lower(): value.upper() for name, value in _OPTION.findall(options)}
        if given != {"format": "PARQUET", "compression": "ZSTD"}:
            raise StatementError(f"NOT_SUPPORTED: this server writes PARQUET in ZSTD only, not {given}")
        bucket, _, prefix = target.removeprefix("s3://").partition("/")
        if self._s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"):
            raise StatementError(
                f"HIVE_PATH_ALREADY_EXISTS: Target directory for table '{target}' already exists: {target}."
            )
        connection.execute(f"CREATE TEMP TABLE unloaded AS {_typed(connection, query)}")
        partitioned = PARTITIONED.search(options)
        written = []
        for condition, folder, shown in _parts(connection, partitioned[1] if partitioned else None):
            counted = connection.execute(f"SELECT count(*) FROM unloaded WHERE {condition}").fetchone()
            parts = min(self.files_per_write, 0 if counted is None else int(counted[0]))
            for part in range(parts):
                name = f"20260101_000000_00001_wire0_{uuid.uuid4()}"
                path = self._scratch / name
                connection.execute(
                    f"COPY (SELECT {shown} FROM unloaded WHERE {condition} AND rowid % {parts} = {part}) "
                    f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
                )
                self._s3.put_object(Bucket=bucket, Key=f"{prefix}{folder}{name}", Body=path.read_bytes())
                path.unlink()
                written.append(f"s3://{bucket}/{prefix}{folder}{name}")
        return written

    def _create_database(self, name: str, *, quiet: bool) -> Outcome:
        try:
            self._glue.create_database(DatabaseInput={"Name": name.lower()})
        except ClientError as error:
            if not quiet:
                raise StatementError(f"FAILED: Execution Error: Database {name} already exists") from error
        return Outcome("DDL")

    def _drop_table(self, database: str, name: str, *, quiet: bool) -> Outcome:
        try:
            self._glue.delete_table(DatabaseName=database.lower(), Name=name.lower())
        except ClientError as error:
            if not quiet:
                raise StatementError(f"FAILED: SemanticException Table not found: {name}") from error
        return Outcome("DDL")


def _parts(connection: duckdb.DuckDBPyConnection, column: str | None) -> list[tuple[str, str, str]]:
    """Which rows go where: a condition, a folder, the columns that are written."""
    if column is None:
        return [("TRUE", "", "*")]
    names = [str(row[0]) for row in connection.execute("DESCRIBE unloaded").fetchall()]
    if names[-1] != column:
        raise StatementError(f"HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns: {column}")
    quoted = exp.to_identifier(column, quoted=True).sql("duckdb")
    values = connection.execute(f"SELECT DISTINCT {quoted}::VARCHAR FROM unloaded ORDER BY 1").fetchall()
    if len(values) > _MOST_PARTITIONS:
        raise StatementError(
            "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions/buckets"
        )
    return [
        (
            f"{quoted}::VARCHAR IS NOT DISTINCT FROM {_literal(value)}",
            f"{column}={'__HIVE_DEFAULT_PARTITION__' if value is None else quote(value, safe='')}/",
            f"* EXCLUDE ({quoted})",
        )
        for (value,) in values
    ]


def _literal(value: str | None) -> str:
    return "NULL" if value is None else exp.Literal.string(value).sql("duckdb")


def _mentioned(tree: exp.Expr) -> frozenset[str] | None:
    for star in tree.find_all(exp.Star):
        if isinstance(star.parent, exp.Count):
            continue
        select = star.find_ancestor(exp.Select)
        source = None if select is None else select.args.get("from_")
        if source is None or isinstance(source.this, exp.Table):
            return None  # over a subquery it takes no more than that one does
    return frozenset(column.name.lower() for column in tree.find_all(exp.Column))


def _typed(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """The query with Trino's types: sums of bigint are bigint; names of unnamed columns as Athena's."""
    described = connection.execute(f"DESCRIBE {query}").fetchall()
    names = [str(row[0]) for row in described]
    shown = []
    for number, row in enumerate(described):
        value = f"c{number}"
        if row[1] == "HUGEINT":
            value = f"CAST({value} AS BIGINT)"
        shown.append(f"{value} AS {exp.to_identifier(names[number], quoted=True).sql('duckdb')}")
    columns = ", ".join(f"c{number}" for number in range(len(names)))
    return f"SELECT {', '.join(shown)} FROM ({query}) AS typed ({columns})"


def _select(connection: duckdb.DuckDBPyConnection, query: str, scanned: int) -> Outcome:
    cursor = connection.execute(query)
    columns = [(str(one[0]), type_name(str(one[1]))) for one in cursor.description or ()]
    rows = [tuple(text_of(value) for value in row) for row in cursor.fetchall()]
    return Outcome(columns=columns, rows=rows, scanned=scanned)
