"""Execution of one query: the start is idempotent, and the query is stopped if its caller stops waiting.

PyAthena 4 does not support ClientRequestToken, stops a query on KeyboardInterrupt only (Dagster raises
another BaseException) and has its own retries. Therefore the boto3 client of its connection starts, polls and
stops queries here; PyAthena's model parses the responses and its converter turns texts into values.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pyathena.converter import DefaultTypeConverter
from pyathena.model import AthenaQueryExecution

from cluster_assets.backends.athena.errors import QueryFailedError, cause_of, persistently
from cluster_assets.backends.aws.faults import Cause
from cluster_assets.backends.patience import Patience, poll
from cluster_assets.backends.ports import Statistics
from cluster_assets.backends.statement_threads import run_interruptibly
from cluster_assets.domain.costs import billed_bytes
from cluster_assets.domain.errors import ClusterAssetsError, EngineError
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.backends.athena.config import AthenaConfig

_Result = TypeVar("_Result")
_logger = logging.getLogger(__name__)

# Athena's quota, in bytes of UTF-8.
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
        token: Starts with the same token are one execution. If the response to a start was lost, the start
            is repeated and returns the id of the same execution.
    """

    name: str
    text: str
    token: str


def token_of(text: str, place: str) -> str:
    """Return the client request token of a query: a digest of its text and result location, 64 characters.

    Each attempt of a write has its own prefix and therefore its own token; an attempt resumed in another
    process finds its own execution. A read passes a nonce instead, because an earlier result of the same
    text may be stale.
    """
    return hashlib.sha256(f"{place}\n{text}".encode()).hexdigest()


def check_length(name: str, text: str) -> None:
    """Refuse a text that exceeds Athena's quota.

    Raises:
        EngineError: The text is too long; the message names the limit.
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
    """Run work in a thread; an interrupt of the caller stops the work and is raised unchanged.

    The interrupt may come while a start is in progress and the query has no id yet. The thread then finishes
    that call, stops the query and ends before the interrupt is raised.

    Args:
        work: Takes the stop event and checks it whenever it waits.
    """
    stop = threading.Event()
    return run_interruptibly("athena-statement", lambda: work(stop), stop.set)


class AthenaQueries:
    """Runs queries of a workgroup.

    Args:
        athena: The boto3 client of Athena.
        config: Workgroup, locations and retry policy.
    """

    def __init__(self, athena: Any, config: AthenaConfig) -> None:
        self._athena = athena
        self._config = config
        self._converter = DefaultTypeConverter()

    def run(self, query: Query, stop: threading.Event) -> AthenaQueryExecution:
        """Run a query to its end; a query with an id never outlives this call.

        Raises:
            QueryFailedError: The query failed or was cancelled.
            ClusterAssetsError: Athena refused the query, or the retries are exhausted.
            StoppedError: `stop` was set; the query is stopped.
        """
        check_length(query.name, query.text)
        request = self._request(query)
        query_id = self._start(query.name, request, stop)
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
        """Return the columns of a result; nested types have no element types."""
        page = self._page(query, execution, None, stop)
        return tuple(Column(name, kind) for name, kind in _columns_of(page))

    def result(
        self, query: Query, execution: AthenaQueryExecution, stop: threading.Event
    ) -> tuple[tuple[str, ...], tuple[Mapping[str, Any], ...]]:
        """Return the names of the columns and the rows of a result, read in pages of a thousand.

        Raises:
            EngineError: A column is an array, map or row; Athena's text for these is ambiguous.
        """
        page = self._page(query, execution, None, stop)
        columns = _columns_of(page)
        if nested := [name for name, kind in columns if kind in _NESTED]:
            raise EngineError(
                f"the answer holds nested values in {', '.join(nested)}",
                where=query.name,
                remedy=f"cast them to a text: json_format(CAST({nested[0]} AS JSON)) AS {nested[0]}",
            )
        rows = [self._values(columns, row) for row in page["ResultSet"]["Rows"][1:]]  # first come the names
        while page.get("NextToken"):
            page = self._page(query, execution, page["NextToken"], stop)
            rows += [self._values(columns, row) for row in page["ResultSet"]["Rows"]]
        return tuple(name for name, _ in columns), tuple(rows)

    def _start(self, name: str, request: Mapping[str, Any], stop: threading.Event) -> str:
        """Start a query and return its id; wait while the account runs as many queries as it may."""
        ends = time.monotonic() + self._config.quota_seconds
        while True:
            try:
                started = persistently(
                    lambda _: self._athena.start_query_execution(**request),
                    self._config.patience,
                    stop,
                    place=name,
                )
            except EngineError as error:
                busy = cause_of(error.__cause__ or error) is Cause.THROTTLED
                if not busy or time.monotonic() >= ends:
                    raise
                _logger.info("%s waits: the quota of running queries is used up", name)
            else:
                return str(started["QueryExecutionId"])

    def _values(self, columns: list[tuple[str, str]], row: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            name: self._converter.convert(kind, value.get("VarCharValue"))
            for (name, kind), value in zip(columns, row["Data"], strict=True)
        }

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
        # Results are not reused: Athena does not check whether the data changed.
        request["ResultReuseConfiguration"] = {"ResultReuseByAgeConfiguration": {"Enabled": False}}
        return request

    def _result(self) -> dict[str, Any]:
        """Return the result location and encryption, for what the workgroup does not set."""
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
        def look() -> AthenaQueryExecution | None:
            response = persistently(
                lambda _: self._athena.get_query_execution(QueryExecutionId=query_id),
                self._config.patience,
                stop,
                place=query.name,
            )
            execution = AthenaQueryExecution(response)
            return execution if execution.state in AthenaQueryExecution.TERMINAL_STATES else None

        config = self._config
        execution = poll(
            look,
            stop.wait,
            first_s=_FIRST_POLL_S,
            longest_s=config.longest_poll_s,
            seconds=config.query_seconds,
        )
        if execution is None:
            raise EngineError(
                f"the query took longer than {config.query_seconds:,.0f} s and was stopped",
                where=f"{query.name}, query {query_id}",
                remedy="narrow the day or the threshold; or set CLUSTER_AWS_QUERY_SECONDS, up to the "
                "account's quota",
            )
        return execution

    def _stop(self, query_id: str) -> None:
        """Stop a query; a failure is only logged, so that it does not hide the original error."""
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
    """Return the statistics that Athena reports for a query."""
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
