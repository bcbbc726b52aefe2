"""Connections to Trino: one statement at a time, stopped with whoever waits for it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests
import trino
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from cluster_assets.engines.trino_errors import FAILURES, unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_CANCEL_TIMEOUT_S = 30.0
_HTTP_TIMEOUT_S = (10.0, 60.0)  # to connect, and to read
_POOL = 4
_RETRIES = 5


@dataclass(frozen=True, slots=True)
class TrinoConfig:
    """Where Trino is and what it may use there.

    Attributes:
        host: Name or address of the coordinator.
        port: Its port.
        user: Whose rights the statements have.
        password: Asks for `https`.
        http_scheme: `http` or `https`.
        certificate: CA file to check the server's certificate with; None takes the system's.
        catalog: Where the tables of `raw.table` are when their name has no catalog.
        schema: The same for the schema.
        scratch_catalog: A Hive catalog with `hive.non-managed-table-writes-enabled`, for tables over files.
        scratch_schema: Its schema for them, made when it is not there.
        files_root: How Trino's file system calls `/` of this machine.
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
    """What a statement gave.

    Attributes:
        names: Columns of the answer.
        types: Their Trino types.
        rows: In the order they came.
        changed: Rows written, -1 for a query.
        bytes_read: Bytes of input read from storage.
        queue_seconds: How long it waited for its turn.
        engine_seconds: How long Trino worked on it.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    changed: int
    bytes_read: int
    queue_seconds: float
    engine_seconds: float


class TrinoSessions:
    """Runs statements, each on a connection of its own; safe to use from several threads."""

    def __init__(self, config: TrinoConfig) -> None:
        self.config = config

    def run(self, statement: str, properties: Mapping[str, str] | None = None) -> Answer:
        """Run one statement and read its whole answer.

        Whatever stops this thread stops the statement in Trino, and is raised as it came.

        Args:
            statement: In Trino's dialect.
            properties: Session properties by name.

        Raises:
            EngineError: Trino does not answer, or refuses the user.
            trino.exceptions.TrinoQueryError: Trino refused or failed the statement.
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
                # Retries are the HTTP session's: only of requests that do nothing twice.
                max_attempts=1,
                request_timeout=_HTTP_TIMEOUT_S,
                http_session=_http_session(config),
            )
        except trino.exceptions.TrinoAuthError as error:
            raise unreachable(error, config.host, config.port) from error


def _http_session(config: TrinoConfig) -> requests.Session:
    """A session that repeats polling and cancelling, but never sends a statement twice.

    A POST is repeated only when no connection came about, so that nothing was sent.
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
    """Wait for the answer in a way that a signal can end, then cancel the query."""
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(_answer(cursor, statement))
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread
            future.set_exception(error)

    thread = threading.Thread(target=work, name="trino-statement", daemon=True)
    thread.start()
    try:
        return future.result()
    except BaseException:
        deadline = time.monotonic() + _CANCEL_TIMEOUT_S
        while not future.done() and time.monotonic() < deadline:
            with suppress(*FAILURES):  # again, should it have come before the query had an address
                cursor.cancel()
            wait([future], timeout=0.05)
        raise


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
