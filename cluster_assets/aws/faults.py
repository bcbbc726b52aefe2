"""The one place that knows which faults of AWS pass, which stay, and how long to try again."""

from __future__ import annotations

import enum
import random
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
    ResponseStreamingError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.errors import ClusterAssetsError

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
    "ServiceException ServiceUnavailable ServiceUnavailableException RequestTimeout RequestTimeoutException "
    "OperationTimeoutException ConcurrentModificationException 500 502 503 504"
)
_FORBIDDEN = _codes(
    "AccessDeniedException AccessDenied 403 UnauthorizedException ExpiredToken ExpiredTokenException "
    "UnrecognizedClientException InvalidSignatureException InvalidAccessKeyId SignatureDoesNotMatch "
    "InvalidClientTokenId"
)
_MISSING = _codes("NoSuchKey NoSuchBucket 404 EntityNotFoundException ResourceNotFoundException")
LAKE_FORMATION_GRANTS = (
    "grant it DESCRIBE and CREATE_TABLE on the databases, SELECT, INSERT, ALTER, DROP and DESCRIBE on their "
    "tables, SELECT on the source, and DATA_LOCATION_ACCESS on the bucket"
)
"""What a role needs where Lake Formation governs the catalog, for messages."""

# Refused, reset, timed out, or cut off while an answer was read.
_BROKEN_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


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


class Exhausted(Exception):  # noqa: N818  # it says how the trying ended, not what is wrong
    """A fault that passes did not pass in time; `__cause__` is the last one."""

    def __init__(self, cause: Cause, attempts: int, seconds: float, last: Exception) -> None:
        self.cause = cause
        super().__init__(
            f"AWS kept failing ({cause.value}) over {attempts} attempts in {seconds:.0f} s: {last}"
        )


def code_of(error: BaseException | None) -> str:
    """AWS's code of a refusal, such as `NoSuchKey`; empty for anything else."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_ambiguous(error: BaseException) -> bool:
    """Whether AWS may have done what was asked although the call failed."""
    return isinstance(error, _BROKEN_CONNECTION) or (
        isinstance(error, ClientError) and cause_of_call(error) is Cause.TRANSIENT
    )


def cause_of_call(error: BaseException) -> Cause:
    """Classify what a call of AWS raised."""
    if isinstance(error, ClientError):
        return _cause_of_answer(error)
    if isinstance(error, _BROKEN_CONNECTION):
        return Cause.TRANSIENT
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return Cause.FORBIDDEN
    return Cause.USER


def keep_calling(
    call: Callable[[int], _Result],
    patience: Patience,
    wait: Callable[[float], bool],
    cause_of: Callable[[BaseException], Cause],
    expected: tuple[type[Exception], ...],
) -> _Result:
    """Call until it succeeds, fails for good, or patience ends.

    Args:
        call: Gets the number of the attempt, from 0. Each attempt must be safe to follow a failed one.
        patience: The bounds.
        wait: Pauses for some seconds, true when the work shall stop.
        cause_of: Tells what passes.
        expected: Errors to classify; others are raised as they are.

    Raises:
        StoppedError: `wait` said so.
        Exhausted: The fault did not pass.
    """
    started = time.monotonic()
    for attempt in range(patience.attempts):
        if wait(0):
            raise StoppedError
        try:
            return call(attempt)
        except expected as error:
            if not cause_of(error).passes:
                raise
            last = error
        pause = patience.pause(attempt + 1)
        if attempt + 1 == patience.attempts or time.monotonic() - started + pause > patience.seconds:
            break
        if wait(pause):
            raise StoppedError
    raise Exhausted(cause_of(last), attempt + 1, time.monotonic() - started, last) from last


def call_aws(
    call: Callable[[], _Result],
    patience: Patience,
    translate: Callable[[Exception], ClusterAssetsError],
    *,
    passes: Callable[[BaseException], bool] | None = None,
) -> _Result:
    """Call AWS from the thread that is interrupted itself, as a store or a catalog is.

    Args:
        call: Safe to repeat.
        patience: The bounds.
        translate: Makes the project's error of one that stays, or of `Exhausted`.
        passes: Faults that pass beside the usual ones.
    """

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def cause(error: BaseException) -> Cause:
        return Cause.TRANSIENT if passes is not None and passes(error) else cause_of_call(error)

    try:
        return keep_calling(lambda _: call(), patience, wait, cause, (ClientError, BotoCoreError))
    except Exhausted as error:
        raise translate(error) from error.__cause__
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error


def _cause_of_answer(error: ClientError) -> Cause:
    code = code_of(error)
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
