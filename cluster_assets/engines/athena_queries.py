"""One query from start to end: started once however often it is asked for, stopped when nobody waits.

PyAthena 4 knows no ClientRequestToken, stops a query for KeyboardInterrupt only (Dagster interrupts with
another BaseException) and has retries of its own. So its connection's boto3 client starts, polls and stops
the query here; PyAthena's model reads the answers and its converter turns texts into values.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pyathena.converter import DefaultTypeConverter
from pyathena.model import AthenaQueryExecution

from cluster_assets.domain.errors import ClusterAssetsError, EngineError
from cluster_assets.domain.prices import billed_bytes
from cluster_assets.domain.tables import Column
from cluster_assets.engines.athena_errors import Patience, QueryFailedError, StoppedError, persistently
from cluster_assets.ports import Statistics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.engines.athena_config import AthenaConfig

_Result = TypeVar("_Result")
_logger = logging.getLogger(__name__)

# Athena's quota; bytes of UTF-8, not characters.
LONGEST_QUERY_BYTES = 262_144
_STOPPING = Patience(attempts=6, seconds=20, first_wait_s=0.2, longest_wait_s=4)
_FIRST_POLL_S = 0.05
_ROWS_OF_PAGE = 1000
_NESTED = frozenset({"array", "map", "row", "struct"})


@dataclass(frozen=True, slots=True)
class Query:
    """A text for Athena.

    Attributes:
        name: The statement, for messages.
        text: SQL of at most `LONGEST_QUERY_BYTES`.
        token: Equal tokens are one execution, however often the start is sent: a start whose answer was
            lost is sent again and gets the id of the execution that the first one began.
    """

    name: str
    text: str
    token: str


def token_of(text: str, place: str) -> str:
    """The client request token of a text: a digest of it and of where its result goes, 64 characters.

    A write goes below a prefix that is fresh for each attempt, so the token is too; the same attempt
    resumed in another process finds its own execution. A read passes a nonce instead, since an
    old answer of the same text may be stale.
    """
    return hashlib.sha256(f"{place}\n{text}".encode()).hexdigest()


def check_length(name: str, text: str) -> None:
    """Refuse a text that Athena would.

    Raises:
        EngineError: It is too long; names the limit.
    """
    size = len(text.encode())
    if size > LONGEST_QUERY_BYTES:
        raise EngineError(
            f"the query text has {size:,} bytes; Athena takes at most {LONGEST_QUERY_BYTES:,} "
            "(quota: query string length)",
            where=name,
            remedy="use fewer dimensions or shorter expressions, or fewer and larger source files",
        )


def interruptibly(work: Callable[[threading.Event], _Result]) -> _Result:
    """Run work in a thread; whatever interrupts this one stops the work, and is raised as it came.

    The interrupt may come at any moment, also while a start is on its way and its query has no id yet.
    The thread finishes that call, stops the query and ends; only then the interrupt goes on.

    Args:
        work: Gets an event that says to stop, and looks at it wherever it waits.
    """
    stop = threading.Event()
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(work(stop))
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread
            future.set_exception(error)

    thread = threading.Thread(target=run, name="athena-statement", daemon=True)
    try:
        thread.start()
        return future.result()
    except BaseException:
        stop.set()
        if thread.ident is not None:
            thread.join()
        raise


class AthenaQueries:
    """Runs queries of a workgroup.

    Args:
        athena: The boto3 client of Athena.
        config: Workgroup, places and patience.
    """

    def __init__(self, athena: Any, config: AthenaConfig) -> None:
        self._athena = athena
        self._config = config
        self._converter = DefaultTypeConverter()

    def run(self, query: Query, stop: threading.Event) -> AthenaQueryExecution:
        """Run a query to its end; once it has an id it never outlives this call.

        Raises:
            QueryFailedError: It failed or was cancelled.
            ClusterAssetsError: Athena refused it, or patience ended.
            StoppedError: `stop` was set; the query is stopped.
        """
        check_length(query.name, query.text)
        request = self._request(query)
        started = persistently(
            lambda _: self._athena.start_query_execution(**request),
            self._config.patience,
            stop,
            place=query.name,
        )
        query_id = str(started["QueryExecutionId"])
        try:
            execution = self._finished(query, query_id, stop)
        except BaseException:
            self._stop(query_id)
            raise
        if execution.state != AthenaQueryExecution.STATE_SUCCEEDED:
            raise QueryFailedError(execution)
        return execution

    def columns(
        self, query: Query, execution: AthenaQueryExecution, stop: threading.Event
    ) -> tuple[Column, ...]:
        """Columns of a result; of the type of an array and the like only that word."""
        page = self._page(query, execution, None, stop)
        return tuple(Column(name, kind) for name, kind in _columns_of(page))

    def rows(
        self, query: Query, execution: AthenaQueryExecution, stop: threading.Event
    ) -> Iterator[Mapping[str, Any]]:
        """The rows of a result, a page of a thousand at a time.

        Raises:
            EngineError: A column is an array, map or row: Athena's text of it cannot be read back for sure.
        """
        token: str | None = None
        first = True
        while first or token:
            page = self._page(query, execution, token, stop)
            columns = _columns_of(page)
            if first and (nested := [name for name, kind in columns if kind in _NESTED]):
                raise EngineError(
                    f"the answer holds nested values in {', '.join(nested)}",
                    where=query.name,
                    remedy="write the result to files, or cast the column to a text",
                )
            rows = page["ResultSet"]["Rows"][1 if first else 0 :]  # the first row of all holds the names
            for row in rows:
                yield {
                    name: self._converter.convert(kind, value.get("VarCharValue"))
                    for (name, kind), value in zip(columns, row["Data"], strict=True)
                }
            token, first = page.get("NextToken"), False

    def _request(self, query: Query) -> dict[str, Any]:
        config = self._config
        request: dict[str, Any] = {
            "QueryString": query.text,
            "ClientRequestToken": query.token,
            "WorkGroup": config.work_group,
            "QueryExecutionContext": {"Catalog": config.catalog, "Database": config.scratch_database},
        }
        if result := self._result():
            request["ResultConfiguration"] = result
        # An earlier answer may be stale: Athena does not look whether the rows changed.
        request["ResultReuseConfiguration"] = {"ResultReuseByAgeConfiguration": {"Enabled": False}}
        return request

    def _result(self) -> dict[str, Any]:
        """Where results go and how they are encrypted, as far as the workgroup does not say."""
        config = self._config
        result: dict[str, Any] = {}
        if config.results_uri:
            result["OutputLocation"] = config.results_uri
            if config.results_owner:
                result["ExpectedBucketOwner"] = config.results_owner
        if config.kms_key:
            result["EncryptionConfiguration"] = {"EncryptionOption": "SSE_KMS", "KmsKey": config.kms_key}
        return result

    def _finished(self, query: Query, query_id: str, stop: threading.Event) -> AthenaQueryExecution:
        deadline = time.monotonic() + self._config.query_seconds
        pause = _FIRST_POLL_S
        while True:
            response = persistently(
                lambda _: self._athena.get_query_execution(QueryExecutionId=query_id),
                self._config.patience,
                stop,
                place=query.name,
            )
            execution = AthenaQueryExecution(response)
            if execution.state in AthenaQueryExecution.TERMINAL_STATES:
                return execution
            if time.monotonic() > deadline:
                raise EngineError(
                    f"the query took longer than {self._config.query_seconds:,.0f} s and was stopped",
                    where=f"{query.name}, query {query_id}",
                    remedy="narrow the day or the threshold, or allow more time",
                )
            if stop.wait(pause):
                raise StoppedError
            pause = min(pause * 1.5, self._config.longest_poll_s)

    def _stop(self, query_id: str) -> None:
        """Stop a query; whatever led here matters more than a failure to do so, which is logged."""
        try:
            persistently(
                lambda _: self._athena.stop_query_execution(QueryExecutionId=query_id),
                _STOPPING,
                threading.Event(),
                place=query_id,
            )
        except ClusterAssetsError as error:
            _logger.warning("query %s could not be stopped and may run on: %s", query_id, error)

    def _page(
        self, query: Query, execution: AthenaQueryExecution, token: str | None, stop: threading.Event
    ) -> Mapping[str, Any]:
        request = {"QueryExecutionId": execution.query_id, "MaxResults": _ROWS_OF_PAGE}
        if token:
            request["NextToken"] = token
        page: Mapping[str, Any] = persistently(
            lambda _: self._athena.get_query_results(**request), self._config.patience, stop, place=query.name
        )
        return page


def statistics_of(execution: AthenaQueryExecution, seconds: float) -> Statistics:
    """What Athena says a query took."""
    scanned = execution.data_scanned_in_bytes or 0
    return Statistics(
        seconds,
        scanned,
        queue_seconds=(execution.query_queue_time_in_millis or 0) / 1000,
        engine_seconds=(execution.engine_execution_time_in_millis or 0) / 1000,
        billed_bytes=billed_bytes(scanned),
    )


def _columns_of(page: Mapping[str, Any]) -> list[tuple[str, str]]:
    info = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    return [(str(column["Name"]), str(column["Type"]).lower()) for column in info]
