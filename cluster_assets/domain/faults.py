"""What to do about a failed invocation. The one place that tells the kinds of failure apart."""

from __future__ import annotations

from enum import Enum

from cluster_assets.domain.errors import (
    WorkerCrashedError,
    WorkerError,
    WorkerMemoryError,
    WorkerPayloadError,
    WorkerThrottledError,
    WorkerTimeoutError,
    WorkerUnavailableError,
    WorkerUserError,
)

MOST_FAILURES = 3
"""Attempts at the same work that may crash; then it is the work, not the machine."""

MOST_THROTTLES = 100
"""Refusals of one call in a row, with waits of some seconds each, before the quota counts as missing."""


class Remedy(Enum):
    """What helps."""

    WAIT = "the worker had no room: wait, call less at a time, try again"
    RETRY = "the machine failed: try again, a few times"
    SPLIT = "the work was too much for one invocation: halve it"
    FAIL = "it would fail again"


def remedy_of(error: WorkerError) -> Remedy:
    """What to do about an error of an invocation."""
    if isinstance(error, WorkerThrottledError):
        return Remedy.WAIT
    if isinstance(error, WorkerTimeoutError | WorkerMemoryError):
        return Remedy.SPLIT
    if isinstance(error, WorkerUserError | WorkerPayloadError | WorkerUnavailableError):
        return Remedy.FAIL
    if isinstance(error, WorkerCrashedError):
        return Remedy.RETRY
    # The handler raised what it did not expect, such as an error of S3, or its answer got lost: it may be
    # gone the next time, and what was finished meanwhile is found by its record.
    return Remedy.RETRY
