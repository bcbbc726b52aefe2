"""The texts that Athena would receive, unchanged on a real Trino server with Glue's tables and S3's files.

Athena runs Trino with timestamps of Hive tables in milliseconds. Only UNLOAD, which Trino does not have, is
executed as CREATE TABLE AS with the same query and location.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trino

from athena_wire.errors import SYSTEM, USER, StatementError
from athena_wire.statements import PARTITIONED, UNLOAD, Outcome, Statements
from athena_wire.values import text_of
from cluster_assets.backends.trino.sessions import TrinoConfig, TrinoSessions
from cluster_assets.backends.trino.sql import athena_type, quoted, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from athena_wire.statements import Run
    from athena_wire.tables import Tables
    from cluster_assets.backends.trino.sessions import Answer

_SCHEMA = "unloads"


class TrinoStatements(Statements):
    """Runs each text on Trino.

    Attributes:
        ran: Every text that Trino ran, as it came over the wire.
    """

    def __init__(self, server: tuple[str, int], tables: Tables, glue: Any, s3: Any, scratch: Path) -> None:
        super().__init__(tables, glue, s3, scratch)
        self._s3 = s3
        self._server = server
        name = f"athena_{uuid.uuid4().hex[:12]}"
        self._catalog, self._written = name, f"{name}_written"
        self.ran: list[str] = []

    @contextmanager
    def catalogs(self, environment: Mapping[str, str], bucket: str) -> Iterator[None]:
        """Create Trino's catalogs over Glue and S3, and drop them at the end."""
        keys = {
            "region": environment["AWS_DEFAULT_REGION"],
            "aws-access-key": environment["AWS_ACCESS_KEY_ID"],
            "aws-secret-key": environment["AWS_SECRET_ACCESS_KEY"],
        }
        files = {
            "fs.native-s3.enabled": "true",
            "s3.endpoint": environment["AWS_ENDPOINT_URL_S3"],
            "s3.path-style-access": "true",
            "hive.non-managed-table-writes-enabled": "true",
            **{f"s3.{key}": value for key, value in keys.items()},
        }
        read = {
            "hive.metastore": "glue",
            "hive.metastore.glue.endpoint-url": environment["AWS_ENDPOINT_URL_GLUE"],
            "hive.table-statistics-enabled": "false",  # moto has none
            **{f"hive.metastore.glue.{key}": value for key, value in keys.items()},
        }
        # The tables that replace UNLOAD do not belong in Glue.
        written = {"hive.metastore": "file", "hive.metastore.catalog.dir": f"s3://{bucket}/trino-metastore/"}
        made = []
        try:
            for name, properties in ((self._catalog, read | files), (self._written, written | files)):
                given = ", ".join(f"{quoted(key)} = {text(value)}" for key, value in properties.items())
                self._ask(f"CREATE CATALOG {name} USING hive WITH ({given})")
                made.append(name)
            self._ask(f"CREATE SCHEMA {self._written}.{_SCHEMA}")
            yield
        finally:
            for name in made:
                self._ask(f"DROP CATALOG {name}")

    def run(self, text: str, run: Run) -> Outcome:
        """Run a statement that `check` let through."""
        self.ran.append(text)
        unload = UNLOAD.fullmatch(text)
        if not unload:
            answer = self._ask(text, run.database)
            run.scanning(answer.bytes_read)
            columns = [
                (name, athena_type(kind).partition("(")[0])
                for name, kind in zip(answer.names, answer.types, strict=True)
            ]
            rows = [tuple(text_of(value) for value in row) for row in answer.rows]
            return Outcome(columns=columns, rows=rows, scanned=answer.bytes_read)
        options = f"external_location = '{unload['target']}', format = 'PARQUET'"
        if partitioned := PARTITIONED.search(unload["options"]):
            options += f", {partitioned[0]}"
        table = f"{self._written}.{_SCHEMA}.t{uuid.uuid4().hex}"
        answer = self._ask(f"CREATE TABLE {table} WITH ({options}) AS {unload['query']}", run.database)
        run.scanning(answer.bytes_read)
        bucket, _, prefix = unload["target"].replace("''", "'").removeprefix("s3://").partition("/")
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        files = [f"s3://{bucket}/{one['Key']}" for page in pages for one in page.get("Contents", ())]
        return Outcome(files=files, scanned=answer.bytes_read)

    def _ask(self, statement: str, database: str = "default") -> Answer:
        host, port = self._server
        sessions = TrinoSessions(TrinoConfig(host, port, catalog=self._catalog, schema=database))
        properties = {}
        if statement.startswith("CREATE TABLE"):
            properties[f"{self._written}.compression_codec"] = "ZSTD"
        try:
            return sessions.run(statement, properties)
        except trino.exceptions.TrinoQueryError as error:
            category = USER if error.error_type == "USER_ERROR" else SYSTEM
            raise StatementError(f"{error.error_name}: {error.message}", category=category) from error
