"""Translation of Lambda's errors and function failures, based on the texts of the service.

Sources: AWS Lambda API reference, "Invoke"; Lambda Developer Guide, "Troubleshoot invocation issues"; for
the errors of a sandbox that was killed, what the service writes (`Runtime.ExitError`, `signal: killed`).
"""

from __future__ import annotations

import json
import re
from typing import Any

from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError, PartialCredentialsError

from cluster_assets.backends.aws.faults import Cause, cause_of_call, code_of, is_ambiguous
from cluster_assets.backends.patience import Exhausted
from cluster_assets.domain.costs import LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerLostError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerThrottledError,
    WorkerTimeoutError,
    WorkerUnavailableError,
)

_TIMED_OUT = re.compile(r"Task timed out after [\d.]+ seconds")
_TEXT_LENGTH = 2000
_TOO_LARGE = frozenset({"RequestTooLargeException", "RequestEntityTooLargeException", "413"})
_NOT_READY = frozenset({"ResourceNotReadyException", "ResourceConflictException"})
# The account may temporarily lack IP addresses or network interfaces; the call never started.
_NO_ROOM = frozenset({"EC2ThrottledException", "ENILimitReachedException", "EFSMountTimeoutException"})


def failure_of_call(error: Exception, where: str) -> WorkerError:
    """Return the error for a call without a response of the function.

    Args:
        error: The exception of boto3, or `Exhausted`.
        where: The function, for the message.
    """
    kind: type[WorkerError]
    code, cause = code_of(error), cause_of_call(error)
    if isinstance(error, ClientError) and (cause is Cause.THROTTLED or code in _NO_ROOM):
        return _throttled(error, where)
    if code in _TOO_LARGE:
        kind, what = (
            WorkerPayloadError,
            f"the request is too large; LAMBDA_PAYLOAD_BYTES is {LAMBDA_PAYLOAD_BYTES}",
        )
        remedy = "pass addresses of data, not data"
    elif code in _NOT_READY or isinstance(error, Exhausted):
        kind, what, remedy = WorkerCrashedError, "the function is not ready", "try again later"
    elif is_ambiguous(error) and not code.startswith(
        "KMS"
    ):  # KMS errors have status 502 too, but are permanent
        kind, what = WorkerLostError, "the response was lost; the invocation may have run"
        remedy = "run the day again: finished work is found by its digest"
    else:
        kind, what, remedy = WorkerUnavailableError, "the worker cannot be called", _how_to_reach(error)
    return kind(f"{what}: {error}", where=where, remedy=remedy)


def failure_of_function(body: bytes, where: str) -> WorkerError:
    """Return the error for an invocation that ended with `X-Amz-Function-Error`.

    Args:
        body: `errorType`, `errorMessage` and `stackTrace` as JSON, each of them optional.
        where: The function, for the message.
    """
    kind, message, frame = _told(body)
    text = f"{kind}: {message}" if kind else message
    if kind == "Sandbox.Timedout" or _TIMED_OUT.search(message):
        return WorkerTimeoutError(
            f"the invocation ran out of time: {text}",
            where=where,
            remedy="raise limits.timeout_s and that of the function, or give the worker less to do",
        )
    if kind in ("Runtime.OutOfMemory", "MemoryError") or "signal: killed" in message:
        return WorkerMemoryError(
            f"the invocation ran out of memory: {text}",
            where=where,
            remedy="raise limits.memory_mb and that of the function",
        )
    if kind == "Function.ResponseSizeTooLarge":
        return WorkerPayloadError(
            f"the response is too large: {text}", where=where, remedy="return addresses of data, not data"
        )
    if kind.startswith(("Runtime.", "Extension.", "Sandbox.")):
        return WorkerCrashedError(
            f"the worker process died or could not start: {text}",
            where=where,
            remedy="see the function's log; an import error means that layer and code do not match",
        )
    return WorkerError(
        f"the worker failed with {text}",
        where=f"{where}; {frame}" if frame else where,
        remedy="see the function's log; if S3 denied access, fix the permissions of the function's role",
    )


def _throttled(error: ClientError, where: str) -> WorkerThrottledError:
    answer: dict[str, Any] = error.response
    reason = answer.get("Reason")
    return WorkerThrottledError(
        f"Lambda throttled the invocation: {reason or error}",
        where=where,
        remedy="run fewer days at a time, lower limits.max_concurrency, or raise the function's concurrency",
        reason=None if reason is None else str(reason),
        retry_after_s=_seconds(answer.get("retryAfterSeconds")),
    )


def _how_to_reach(error: Exception) -> str:
    cause = cause_of_call(error)
    if isinstance(error, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return "set credentials and CLUSTER_AWS_REGION"
    if code_of(error).startswith("KMS"):
        return "allow the function's role to use the KMS key of its environment variables"
    if cause is Cause.FORBIDDEN:
        return "allow lambda:InvokeFunction and lambda:GetFunctionConfiguration on this version"
    if cause is Cause.MISSING:
        return "check CLUSTER_AWS_FUNCTION and CLUSTER_AWS_FUNCTION_QUALIFIER, or deploy the stack first"
    return "run `cluster-assets doctor`, which checks the function"


def _seconds(text: Any) -> float | None:
    try:
        return max(0.0, float(text))
    except (TypeError, ValueError):
        return None  # none, or a date


def _told(body: bytes) -> tuple[str, str, str | None]:
    """Return type, message and innermost frame, shortened for messages."""
    try:
        error = json.loads(body)
        kind, message = str(error.get("errorType") or ""), str(error.get("errorMessage") or "")
        stack = error.get("stackTrace") or ()
        frame = str(stack[-1]).strip()[:_TEXT_LENGTH] if stack else None
    except (ValueError, AttributeError, LookupError, TypeError):
        return "", body[:_TEXT_LENGTH].decode(errors="replace"), None
    return kind[:_TEXT_LENGTH], message[:_TEXT_LENGTH], frame
