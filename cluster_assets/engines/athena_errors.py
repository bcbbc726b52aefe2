"""The one place that knows which faults of AWS pass, which stay, and how long to try again."""

from __future__ import annotations

import enum
import random
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # the SDK's, not Python's
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
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

_Result = TypeVar("_Result")


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_THROTTLED = _codes(
    "ThrottlingException Throttling ThrottledException TooManyRequestsException RequestLimitExceeded "
    "RequestThrottled RequestThrottledException SlowDown LimitExceededException "
    "ProvisionedThroughputExceededException BandwidthLimitExceeded TransactionInProgressException"
)
_TRANSIENT = _codes(
    "InternalServerException InternalServerError InternalServiceException InternalFailure InternalError "
    "ServiceUnavailable ServiceUnavailableException RequestTimeout RequestTimeoutException "
    "OperationTimeoutException 500 502 503 504"
)
_FORBIDDEN = _codes(
    "AccessDeniedException AccessDenied 403 UnauthorizedException ExpiredToken ExpiredTokenException "
    "UnrecognizedClientException InvalidSignatureException InvalidAccessKeyId SignatureDoesNotMatch "
    "InvalidClientTokenId"
)
_MISSING = _codes("NoSuchKey NoSuchBucket 404 EntityNotFoundException ResourceNotFoundException")
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
_ADDRESS = re.compile(r"s3://[^\s\"'<>]+[^\s\"'<>.,;:)\]]")
_SYSTEM_CATEGORY = 1
# Refused, reset, timed out, or cut off while an answer was read.
_BROKEN_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError)


class Cause(enum.Enum):
    """Why a call or a query failed."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    USER = "user"

    @property
    def passes(self) -> bool:
        """Whether the same thing may succeed later."""
        return self in (Cause.THROTTLED, Cause.TRANSIENT)


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


class StoppedError(Exception):
    """The thread that waits for the work was interrupted; never leaves the engine."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try again.

    Attributes:
        attempts: At most so many calls.
        seconds: No new attempt begins later than this after the first.
        first_wait_s: Upper bound of the first pause; it doubles each time.
        longest_wait_s: Upper bound of every pause.
    """

    attempts: int = 10
    seconds: float = 180.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 20.0

    def pause(self, failures: int) -> float:
        """A pause drawn evenly from nothing to the bound: full jitter keeps many clients apart."""
        bound = min(self.longest_wait_s, self.first_wait_s * 2 ** (failures - 1))
        return random.uniform(0, bound)  # noqa: S311  # no secret


def cause_of(error: BaseException) -> Cause:
    """Classify what a call of AWS or a query raised."""
    if isinstance(error, QueryFailedError):
        return _cause_of_query(error)
    if isinstance(error, ClientError):
        return _cause_of_answer(error)
    if isinstance(error, _BROKEN_CONNECTION):
        return Cause.TRANSIENT
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return Cause.FORBIDDEN
    return Cause.USER


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
    started = time.monotonic()
    for attempt in range(patience.attempts):
        if stop.is_set():
            raise StoppedError
        try:
            return call(attempt)
        except (ClientError, BotoCoreError, QueryFailedError) as error:
            last: Exception = error
        if not cause_of(last).passes:
            raise translate(last, place) from last
        pause = patience.pause(attempt + 1)
        if attempt + 1 == patience.attempts or time.monotonic() - started + pause > patience.seconds:
            break
        if stop.wait(pause):
            raise StoppedError
    raise EngineError(
        f"AWS kept failing ({cause_of(last).value}) over {attempt + 1} attempts in "
        f"{time.monotonic() - started:.0f} s: {last}",
        where=place,
        remedy="run the day again later; if it stays, ask for a higher quota or run fewer days at once",
    ) from last


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


def _cause_of_answer(error: ClientError) -> Cause:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    for cause, codes in (
        (Cause.THROTTLED, _THROTTLED),
        (Cause.TRANSIENT, _TRANSIENT),
        (Cause.FORBIDDEN, _FORBIDDEN),
        (Cause.MISSING, _MISSING),
    ):
        if code in codes:
            return cause
    if status == 429:
        return Cause.THROTTLED
    return Cause.TRANSIENT if status >= 500 else Cause.USER


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
