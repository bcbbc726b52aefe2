"""S3 and Glue by moto, Athena by the wire server, and the environment that points at them."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import duckdb
import pytest
import sqlglot
from athena_wire import AthenaWire
from athena_wire.statements import Statements
from waiting import LONGEST_S, wait_for

from cluster_assets.backends.athena.engine import AthenaConfig, AthenaEngine
from cluster_assets.backends.aws.catalog import GlueCatalog, GlueConfig
from cluster_assets.backends.aws.store import S3Config, S3Store
from cluster_assets.backends.patience import Patience
from cluster_assets.backends.ports import FileRelation, Statement
from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from cluster_assets.backends.ports import ObjectStore

BUCKET = "lake-of-the-tests"
SCRATCH = "cluster_assets_scratch"
KEY_ID = "CANARYKEYID7XB3"
SECRET = "canary-secret-5yQ2"  # noqa: S105  # guards nothing
_RUNNING = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")
TOKEN = "canary-token-8wJ4"  # noqa: S105
# Pauses of a test are short; attempts are those of production.
PATIENCE = Patience(attempts=10, seconds=LONGEST_S, first_wait_s=0.01, longest_wait_s=0.05)

PAIR = TableContract("pair", (Column("k", "bigint"), Column("v", "double")), sort_by=("k",))


def statement(text: str) -> Statement:
    return Statement("test", sqlglot.parse_one(text, read="athena"))


@dataclass
class Lake:
    """Everything AWS that the engine touches."""

    wire: AthenaWire
    s3: Any
    glue: Any
    environment: dict[str, str]
    numbers: itertools.count[int]

    def fresh(self) -> str:
        """An address nothing lies below."""
        return f"s3://{BUCKET}/in/{next(self.numbers):04d}"

    def put(self, uri: str, body: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)

    def get(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def list(self, uri: str) -> list[str]:
        """Addresses of all objects below a folder."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{key.rstrip('/')}/")
        return [f"s3://{bucket}/{one['Key']}" for page in pages for one in page.get("Contents", ())]

    def store(self, **config: Any) -> S3Store:
        """A store in which nothing lies yet."""
        settings = {"bucket": BUCKET, "prefix": f"store/{next(self.numbers):04d}", "patience": PATIENCE}
        return S3Store(self.s3, S3Config(**settings | config))

    def catalog(self, store: ObjectStore | None = None, **config: Any) -> GlueCatalog:
        """A catalog in a database without tables, or in the one that `config` names."""
        if "database" not in config:
            config["database"] = f"published_{next(self.numbers):04d}"
            self.glue.create_database(DatabaseInput={"Name": config["database"]})
        return GlueCatalog(self.glue, store or self.store(), GlueConfig(**{"patience": PATIENCE} | config))

    def parquet(self, query: str, folder: Path, uri: str | None = None) -> FileRelation:
        """A Parquet object of a DuckDB query; `folder` is a place on this machine to write it first."""
        path = folder / f"staged-{next(self.numbers)}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        target = uri or f"{self.fresh()}/rows.parquet"
        self.put(target, path.read_bytes())
        return FileRelation((target,))

    def rows(self, uris: Any, folder: Path) -> list[Any]:
        """Rows of Parquet objects."""
        paths = []
        for uri in uris:
            path = folder / f"read-{next(self.numbers)}.parquet"
            path.write_bytes(self.get(uri))
            paths.append(str(path))
        with duckdb.connect() as connection:
            return connection.execute("SELECT * FROM read_parquet($paths)", {"paths": paths}).fetchall()

    def run(self, text: str) -> list[tuple[str | None, ...]]:
        """Rows of a query, as somebody with a console sees them."""
        client = self.shared_engine._clients.athena
        query = {"QueryExecutionId": client.start_query_execution(QueryString=text)["QueryExecutionId"]}
        execution = self.wire.executions[query["QueryExecutionId"]]
        wait_for(f"the end of {text}", lambda: execution.ended)
        assert execution.state == "SUCCEEDED", execution.reason
        rows = client.get_query_results(**query)["ResultSet"]["Rows"][1:]
        return [tuple(cell.get("VarCharValue") for cell in row["Data"]) for row in rows]

    def scratch_tables(self, database: str = SCRATCH) -> list[str]:
        """Names of the scratch tables that are there now."""
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=database)
        return [table["Name"] for page in pages for table in page["TableList"]]

    @cached_property
    def shared_engine(self) -> AthenaEngine:
        """One engine for many tests: making its clients takes a third of a second."""
        return self.engine()

    def environment_set(self) -> AbstractContextManager[None]:
        """The environment of this process is that of the servers, while clients are made."""
        return _environment(self.environment)

    def engine(self, **config: Any) -> AthenaEngine:
        """An engine as production opens it, from the environment."""
        settings = {"patience": PATIENCE, "longest_poll_s": 0.1, "scratch_database": SCRATCH} | config
        with _environment(self.environment):
            return AthenaEngine(AthenaConfig(**settings))


@contextmanager
def open_lake(folder: Path, make_statements: Callable[..., Statements] = Statements) -> Iterator[Lake]:
    """Start moto and the wire server, whose statements run on DuckDB unless told otherwise."""
    with _moto(folder / "moto.log") as url:
        environment = {
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": TOKEN,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL_S3": url,
            "AWS_ENDPOINT_URL_GLUE": url,
        }
        with _environment(environment):
            s3, glue = boto3.client("s3"), boto3.client("glue")
        s3.create_bucket(Bucket=BUCKET)
        for name in (SCRATCH, "default"):
            glue.create_database(DatabaseInput={"Name": name})
        with AthenaWire(glue, s3, folder / "wire", make_statements) as wire:
            wire.work_groups["primary"].output = f"s3://{BUCKET}/results/"
            environment["AWS_ENDPOINT_URL_ATHENA"] = wire.url
            lake = Lake(wire, s3, glue, environment, itertools.count())
            yield lake
            lake.shared_engine.close()
        s3.close()
        glue.close()


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """The standard AWS variables, and no others of AWS, for as long as clients are made."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


@contextmanager
def _moto(log: Path) -> Iterator[str]:
    """The address of a moto server; what it says goes to a file, a pipe would fill up and block it."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with (
        log.open("wb") as said,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as server,
    ):

        def address() -> str | None:
            assert server.poll() is None, f"moto did not start: {log.read_text()}"
            found = _RUNNING.search(log.read_text())
            return found and found[1]

        try:
            yield str(wait_for(f"moto writes its address to {log}", address))
        finally:
            server.terminate()
            server.wait(LONGEST_S)
