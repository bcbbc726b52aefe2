"""Classification and translation of AWS faults and failed queries for the Athena engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.backends.aws.faults import LAKE_FORMATION_GRANTS, Cause, cause_of_call
from cluster_assets.backends.patience import Exhausted, Patience
from cluster_assets.backends.sql_base import unreadable
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    ScanLimitError,
    SourceMissingError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pyathena.model import AthenaQueryExecution

_Result = TypeVar("_Result")


# Reasons of queries that failed because of the storage or the service.
_PASSING_REASON = re.compile(
    r"SlowDown|reduce your request rate|GENERIC_INTERNAL_ERROR|INTERNAL_ERROR|SERVICE_UNAVAILABLE"
    r"|Service(?:\sis)?\sunavailable|CLUSTER_OUT_OF|NO_NODES_AVAILABLE|TOO_MANY_REQUESTS_FAILED"
    r"|Rate exceeded",
    re.IGNORECASE,
)
_CUT_OFF = re.compile(r"bytes scanned limit", re.IGNORECASE)
_BROKEN_FILE = re.compile(
    r"\b(HIVE_BAD_DATA|HIVE_CURSOR_ERROR|HIVE_CANNOT_OPEN_SPLIT|HIVE_INVALID_METADATA)\b"
)
# Limits of Athena, each with what it means and what helps; the last is every other failure.
_FAILURES = (
    (
        re.compile(r"EXCEEDED_TIME_LIMIT|Query timeout", re.IGNORECASE),
        "Athena stopped the query at its time limit",
        (
            "narrow the day or the threshold, or request a higher quota of DML query timeout and set "
            "CLUSTER_AWS_QUERY_SECONDS to it"
        ),
    ),
    (
        re.compile(
            r"EXCEEDED_(?:LOCAL_|GLOBAL_)?MEMORY_LIMIT|exhausted resources|INSUFFICIENT_RESOURCES"
            r"|EXCEEDED_SPILL",
            re.IGNORECASE,
        ),
        "the query needs more memory than Athena gives it",
        (
            "make the day smaller (raw.where), the threshold lower or the features fewer, or use "
            "provisioned capacity"
        ),
    ),
    (
        re.compile("TOO_MANY_OPEN_PARTITIONS"),
        "Athena cannot write so many partitions in one statement",
        "report a bug: statements of this project write at most 100",
    ),
    (
        re.compile(""),
        "the statement failed in Athena",
        "check the expressions of the pipeline against the columns of the source",
    ),
)
_FORBIDDEN = re.compile(
    r"Lake Formation|PERMISSION_DENIED|Access\s?Denied|not authorized to perform", re.IGNORECASE
)
_ADDRESS = re.compile(r"s3://[^\s\"'<>]+[^\s\"'<>.,;:)\]]")
_SYSTEM_CATEGORY = 1


class QueryFailedError(Exception):
    """A query ended as FAILED or CANCELLED; never raised out of the engine.

    Args:
        execution: The execution that Athena reports.
    """

    def __init__(self, execution: AthenaQueryExecution) -> None:
        self.execution = execution
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """Athena's reason."""
        execution = self.execution
        return execution.error_message or execution.state_change_reason or f"the query is {execution.state}"


_EXPECTED = (ClientError, BotoCoreError, QueryFailedError)


def cause_of(error: BaseException) -> Cause:
    """Classify an exception of an AWS call or a query."""
    return _cause_of_query(error) if isinstance(error, QueryFailedError) else cause_of_call(error)


def persistently(
    call: Callable[[int], _Result], patience: Patience, stop: threading.Event, *, place: str
) -> _Result:
    """Call until it succeeds, fails permanently, or the retries are exhausted.

    Args:
        call: Takes the number of the attempt, from 0. It must be safe to repeat after a failure.
        patience: The retry policy.
        stop: Set to end the wait.
        place: The purpose of the call, for the message.

    Raises:
        StoppedError: `stop` was set.
        ClusterAssetsError: The translation of the last error.
    """
    try:
        return patience.call(call, lambda error: cause_of(error).passes, stop.wait)
    except Exhausted as error:
        raise EngineError(
            f"AWS {error}",
            where=place,
            remedy="run the day again later; if it persists, request a higher quota or run fewer days",
        ) from error.__cause__
    except _EXPECTED as error:
        raise translate(error, place) from error


def translate(error: Exception, place: str) -> ClusterAssetsError:
    """Return the project's error for a permanent fault."""
    if isinstance(error, QueryFailedError):
        return _of_query(error, place)
    cause = cause_of(error)
    if cause is Cause.FORBIDDEN:
        return EngineError(
            f"AWS denied the call: {error}",
            where=place,
            remedy="check the credentials and region of this process and the permissions of its role",
        )
    if cause is Cause.MISSING:
        return SourceMissingError(f"AWS cannot find it: {error}", where=place, remedy="check the name")
    return EngineError(f"AWS refused the request: {error}", where=place, remedy="check the statement's names")


def _cause_of_query(error: QueryFailedError) -> Cause:
    execution = error.execution
    if execution.state == execution.STATE_CANCELLED:
        return Cause.USER  # a user or the workgroup's limit stopped it
    if execution.retryable or execution.error_category == _SYSTEM_CATEGORY:
        return Cause.TRANSIENT
    if _PASSING_REASON.search(error.reason):
        return Cause.TRANSIENT
    return Cause.USER


def _of_query(error: QueryFailedError, place: str) -> ClusterAssetsError:
    execution, reason = error.execution, error.reason
    query = f"query {execution.query_id}"
    if execution.state == execution.STATE_CANCELLED:
        if _CUT_OFF.search(reason):
            return ScanLimitError(
                f"Athena stopped the query: it scanned more than the workgroup {execution.work_group} allows "
                "per query (BytesScannedCutoffPerQuery)",
                where=f"{place}, {query}",
                remedy="raise that limit of the workgroup, or read less: a partition column, fewer columns",
            )
        return EngineError(
            f"the query was cancelled: {reason}", where=f"{place}, {query}", remedy="run the day again"
        )
    if _FORBIDDEN.search(reason):
        return EngineError(
            f"Athena is not allowed to run the statement: {reason}",
            where=f"{place}, {query}",
            remedy="allow the role of this process to read the source, write below the bucket's prefix and "
            f"use the key; if Lake Formation governs the tables, {LAKE_FORMATION_GRANTS}",
        )
    if "TABLE_NOT_FOUND" in reason or "SCHEMA_NOT_FOUND" in reason:
        return SourceMissingError(
            f"Athena does not know the table: {reason}", where=place, remedy="check raw.table"
        )
    if _BROKEN_FILE.search(reason) and (address := _ADDRESS.search(reason)):
        return unreadable(address[0], reason)
    what, remedy = next((what, remedy) for pattern, what, remedy in _FAILURES if pattern.search(reason))
    return EngineError(f"{what}: {reason}", where=place, remedy=f"{remedy} ({query})")
