"""Classification of AWS faults as transient or permanent."""

from __future__ import annotations

import enum
import time
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

from cluster_assets.backends.patience import Exhausted

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.backends.patience import Patience
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
"""What a role needs if Lake Formation governs the catalog, for messages."""

# Refused, reset, timed out, or broken while reading a response.
_BROKEN_CONNECTION = (ConnectionError, HTTPClientError, IncompleteReadError, ResponseStreamingError)


class Cause(enum.Enum):
    """The cause of a failed call or query."""

    THROTTLED = "throttled"
    TRANSIENT = "transient"
    FORBIDDEN = "forbidden"
    MISSING = "missing"
    USER = "user"

    @property
    def passes(self) -> bool:
        """Whether a retry may succeed."""
        return self in (Cause.THROTTLED, Cause.TRANSIENT)


def code_of(error: BaseException | None) -> str:
    """Return AWS's error code, such as `NoSuchKey`; empty for other exceptions."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_ambiguous(error: BaseException) -> bool:
    """Whether AWS may have executed the request although the call failed."""
    return isinstance(error, _BROKEN_CONNECTION) or (
        isinstance(error, ClientError) and cause_of_call(error) is Cause.TRANSIENT
    )


def cause_of_call(error: BaseException) -> Cause:
    """Classify an exception of an AWS call."""
    if isinstance(error, ClientError):
        return _cause_of_answer(error)
    if isinstance(error, _BROKEN_CONNECTION):
        return Cause.TRANSIENT
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return Cause.FORBIDDEN
    return Cause.USER


def call_aws(
    call: Callable[[], _Result],
    patience: Patience,
    translate: Callable[[Exception], ClusterAssetsError],
    *,
    passes: Callable[[BaseException], bool] | None = None,
) -> _Result:
    """Call AWS with retries from the calling thread, where an interrupt arrives directly.

    Args:
        call: Safe to repeat.
        patience: The bounds.
        translate: Converts a permanent error or `Exhausted` into an error of this project.
        passes: Further faults to treat as transient.
    """

    def wait(seconds: float) -> bool:
        time.sleep(seconds)
        return False

    def may_pass(error: BaseException) -> bool:
        return cause_of_call(error).passes or (passes is not None and passes(error))

    try:
        return patience.call(lambda _: call(), may_pass, wait)
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
