"""Connections to Trino: one statement at a time, cancelled when its caller is interrupted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
import trino
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from cluster_assets.backends.statement_threads import run_interruptibly
from cluster_assets.backends.trino.errors import FAILURES, unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CANCEL_TIMEOUT_S = 30.0
_HTTP_TIMEOUT_S = (30.0, 180.0)  # to connect, and to read: a server that starts on a busy machine is slow
_POOL = 4
_RETRIES = 5


@dataclass(frozen=True, slots=True)
class TrinoConfig:
    """Connection to a Trino server, and its catalogs and schemas.

    Attributes:
        host: Host of the coordinator.
        port: Port of the coordinator.
        user: User who runs the statements.
        password: Requires `https`.
        http_scheme: `http` or `https`.
        certificate: CA file that verifies the server's certificate; None uses the system's.
        catalog: Default catalog of `raw.table`.
        schema: Default schema of `raw.table`.
        scratch_catalog: A Hive catalog with `hive.non-managed-table-writes-enabled`, for tables over files.
        scratch_schema: Its schema for these tables; created if it does not exist.
        files_root: Trino's location of this machine's `/`.
    """

    host: str
    port: int = 8080
    user: str = "cluster_assets"
    password: str | None = field(default=None, repr=False)
    http_scheme: str = "http"
    certificate: Path | None = None
    catalog: str = "hive"
    schema: str = "default"
    scratch_catalog: str = "hive"
    scratch_schema: str = "cluster_scratch"
    files_root: str = "local:///"


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a statement.

    Attributes:
        names: Names of the columns.
        types: Trino types of the columns.
        rows: Rows in the order received.
        changed: Number of rows written; -1 for a query.
        bytes_read: Bytes read from storage.
        queue_seconds: Seconds in Trino's queue.
        engine_seconds: Seconds of execution.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    changed: int
    bytes_read: int
    queue_seconds: float
    engine_seconds: float


class TrinoSessions:
    """Runs each statement on its own connection; thread-safe."""

    def __init__(self, config: TrinoConfig) -> None:
        self.config = config

    def run(self, statement: str, properties: Mapping[str, str] | None = None) -> Answer:
        """Run one statement and fetch all rows.

        An interrupt of this thread cancels the statement in Trino and is raised unchanged.

        Args:
            statement: In Trino's dialect.
            properties: Session properties by name.

        Raises:
            EngineError: Trino does not respond, or rejects the user.
            trino.exceptions.TrinoQueryError: The statement is invalid or failed.
        """
        with self._connect(properties or {}) as connection:
            cursor = connection.cursor()
            try:
                return _interruptibly(cursor, statement)
            except trino.exceptions.TrinoQueryError:
                raise
            except FAILURES as error:
                raise unreachable(error, self.config.host, self.config.port) from error

    def _connect(self, properties: Mapping[str, str]) -> trino.dbapi.Connection:
        config = self.config
        auth = None
        if config.password is not None:
            auth = trino.auth.BasicAuthentication(config.user, config.password)
        try:
            return trino.dbapi.connect(
                host=config.host,
                port=config.port,
                user=config.user,
                source="cluster-assets",
                catalog=config.catalog,
                schema=config.schema,
                http_scheme=config.http_scheme,
                auth=auth,
                timezone="UTC",
                session_properties=dict(properties),
                # The HTTP session retries instead, and only idempotent requests.
                max_attempts=1,
                request_timeout=_HTTP_TIMEOUT_S,
                http_session=_http_session(config),
            )
        except trino.exceptions.TrinoAuthError as error:
            raise unreachable(error, config.host, config.port) from error


def _http_session(config: TrinoConfig) -> requests.Session:
    """Return a session that retries polling and cancelling, but never sends a statement twice.

    A POST is retried only if no connection was established.
    """
    retry = Retry(
        total=_RETRIES,
        backoff_factor=0.2,
        status_forcelist=(429, 502, 503, 504),
        allowed_methods=frozenset({"GET", "HEAD", "DELETE"}),
        raise_on_status=False,
    )
    session = requests.Session()
    adapter = HTTPAdapter(pool_maxsize=_POOL, max_retries=retry)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.verify = str(config.certificate) if config.certificate else True
    return session


def _interruptibly(cursor: trino.dbapi.Cursor, statement: str) -> Answer:
    """Wait for the result; an interrupt cancels the query."""

    def cancel() -> None:
        with suppress(*FAILURES):  # the query may have no URI yet
            cursor.cancel()

    return run_interruptibly(
        "trino-statement", lambda: _answer(cursor, statement), cancel, patience_s=_CANCEL_TIMEOUT_S
    )


def _answer(cursor: trino.dbapi.Cursor, statement: str) -> Answer:
    cursor.execute(statement)
    rows = tuple(tuple(row) for row in cursor.fetchall())
    described = cursor.description or []
    stats = cursor.stats or {}
    queued = int(stats.get("queuedTimeMillis") or 0)
    return Answer(
        names=tuple(column.name for column in described),
        types=tuple(str(column.type_code) for column in described),
        rows=rows,
        changed=cursor.rowcount,
        bytes_read=int(stats.get("physicalInputBytes") or 0),
        queue_seconds=queued / 1000,
        engine_seconds=(int(stats.get("elapsedTimeMillis") or 0) - queued) / 1000,
    )
