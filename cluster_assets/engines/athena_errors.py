"""What faults of AWS and failed queries mean to the Athena engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.aws.faults import (
    LAKE_FORMATION_GRANTS,
    Cause,
    Exhausted,
    Patience,
    StoppedError,
    cause_of_call,
    keep_calling,
)
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    EngineError,
    ScanLimitError,
    SourceMissingError,
    SourceUnreadableError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pyathena.model import AthenaQueryExecution

__all__ = ["Cause", "Patience", "QueryFailedError", "StoppedError", "cause_of", "persistently", "translate"]

_Result = TypeVar("_Result")


# What a failed query says when the storage or the service gave way under it.
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
_FORBIDDEN = re.compile(
    r"Lake Formation|PERMISSION_DENIED|Access\s?Denied|not authorized to perform", re.IGNORECASE
)
_ADDRESS = re.compile(r"s3://[^\s\"'<>]+[^\s\"'<>.,;:)\]]")
_SYSTEM_CATEGORY = 1


class QueryFailedError(Exception):
    """A query ended as FAILED or CANCELLED; never leaves the engine.

    Args:
        execution: What Athena says about it.
    """

    def __init__(self, execution: AthenaQueryExecution) -> None:
        self.execution = execution
        super().__init__(self.reason)

    @property
    def reason(self) -> str:
        """Athena's words."""
        execution = self.execution
        return execution.error_message or execution.state_change_reason or f"the query is {execution.state}"


_EXPECTED = (ClientError, BotoCoreError, QueryFailedError)


def cause_of(error: BaseException) -> Cause:
    """Classify what a call of AWS or a query raised."""
    return _cause_of_query(error) if isinstance(error, QueryFailedError) else cause_of_call(error)


def persistently(
    call: Callable[[int], _Result], patience: Patience, stop: threading.Event, *, place: str
) -> _Result:
    """Call until it succeeds, fails for good, or patience ends.

    Args:
        call: Gets the number of the attempt, from 0. Each attempt must be safe to follow a failed one.
        patience: The bounds.
        stop: Ends the waiting.
        place: What the call is for, for the message.

    Raises:
        StoppedError: `stop` was set.
        ClusterAssetsError: What the last error means.
    """
    try:
        return keep_calling(call, patience, stop.wait, cause_of, _EXPECTED)
    except Exhausted as error:
        raise EngineError(
            str(error),
            where=place,
            remedy="run the day again later; if it stays, ask for a higher quota or run fewer days at once",
        ) from error.__cause__
    except _EXPECTED as error:
        raise translate(error, place) from error


def translate(error: Exception, place: str) -> ClusterAssetsError:
    """The error of the project that says what a fault which stays means."""
    if isinstance(error, QueryFailedError):
        return _of_query(error, place)
    cause = cause_of(error)
    if cause is Cause.FORBIDDEN:
        return EngineError(
            f"AWS refuses the call: {error}",
            where=place,
            remedy="check the credentials and region of this process and the permissions of its role",
        )
    if cause is Cause.MISSING:
        return SourceMissingError(f"AWS does not have it: {error}", where=place, remedy="check the name")
    return EngineError(f"AWS refused the request: {error}", where=place, remedy="check the statement's names")


def _cause_of_query(error: QueryFailedError) -> Cause:
    execution = error.execution
    if execution.state == execution.STATE_CANCELLED:
        return Cause.USER  # somebody stopped it, or the workgroup's limit did
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
                "a query (BytesScannedCutoffPerQuery)",
                where=f"{place}, {query}",
                remedy="raise that limit of the workgroup, or read less: a partition column, fewer columns",
            )
        return EngineError(
            f"the query was cancelled: {reason}", where=f"{place}, {query}", remedy="run the day again"
        )
    if _FORBIDDEN.search(reason):
        return EngineError(
            f"Athena may not do what the statement asks: {reason}",
            where=f"{place}, {query}",
            remedy="let the role of this process read the source, write below the bucket's prefix and use "
            f"the key; where Lake Formation governs the tables: {LAKE_FORMATION_GRANTS}",
        )
    if "TABLE_NOT_FOUND" in reason or "SCHEMA_NOT_FOUND" in reason:
        return SourceMissingError(
            f"Athena does not know the table: {reason}", where=place, remedy="check raw.table"
        )
    if _BROKEN_FILE.search(reason) and (address := _ADDRESS.search(reason)):
        return SourceUnreadableError(
            f"a file cannot be read: {reason}",
            where=address[0],
            remedy="replace the file: it is truncated, corrupt or of another format",
        )
    return EngineError(
        f"Athena failed the statement: {reason}",
        where=place,
        remedy=f"check the expressions of the pipeline against the columns of the source ({query})",
    )
