"""Calls that are too long for a connection: their replies are read from the store.

Synchronous calls are the rule, because they report the cause of every failure. But load balancers and NAT
gateways drop a connection that was idle for 350 s, and the reply with it. A call expected to take longer than
half of that is sent as an asynchronous event, and the worker puts its reply into the store.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.patience import StoppedError, poll
from cluster_assets.domain.errors import (
    StoreError,
    WorkerCrashedError,
    WorkerError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import ObjectStore

_logger = logging.getLogger(__name__)

LONGEST_QUIET_S = 350.0
"""Idle timeout of NAT gateways and network load balancers in seconds (VPC and ELB user guides)."""


@dataclass(frozen=True, slots=True)
class LongCalls:
    """When to send a call asynchronously, and how to wait for its reply.

    Attributes:
        store: The store that receives replies.
        from_s: Calls estimated or measured to take longer than this are sent asynchronously.
        grace_s: Seconds that a reply may come late, because the event may have waited in a queue.
        first_pause_s: First pause between polls; each further one is half as long again.
        longest_pause_s: Upper bound of every pause.
    """

    store: ObjectStore
    from_s: float = LONGEST_QUIET_S / 2
    grace_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 5.0


class Durations:
    """The longest call of each operation so far; thread-safe."""

    def __init__(self) -> None:
        self._longest: dict[str, float] = {}
        self._lock = Lock()

    def note(self, event: Mapping[str, Any], seconds: float) -> None:
        """Record the duration of a call."""
        operation = str(event.get("operation", ""))
        with self._lock:
            self._longest[operation] = max(seconds, self._longest.get(operation, 0.0))

    def foreseen(self, event: Mapping[str, Any]) -> float:
        """Return the expected seconds of a call: its event's estimate or the longest so far, if larger."""
        said = event.get("seconds") or 0.0
        return max(float(said), self._longest.get(str(event.get("operation", "")), 0.0))


def answer_address(event: Mapping[str, Any]) -> str | None:
    """Return a new URI for the reply of an event, next to its record or output; None if it has neither.

    The name begins with `_`, so that engines ignore the file when they read the folder as a table.
    """
    beside = event.get("record") or event.get("output")
    if not isinstance(beside, str) or "/" not in beside:
        return None
    return f"{beside.rpartition('/')[0]}/_answer-{uuid.uuid4().hex}.json"


@dataclass(frozen=True, slots=True)
class Handover:
    """A call that was sent asynchronously.

    Attributes:
        address: The URI of its reply.
        until: End of its time limit, in seconds since 1970.
        where: The function and the request, for messages.
    """

    address: str
    until: float
    where: str


def wait_for_answer(calls: LongCalls, handover: Handover, closing: Event) -> Mapping[str, Any]:
    """Return the reply of an asynchronous call: an object with `reply` or with `failure`.

    Args:
        calls: How to wait.
        handover: The call.
        closing: Set to end the wait.

    Raises:
        WorkerTimeoutError: No reply arrived in time.
        WorkerCrashedError: The invoker was closed.
        WorkerError: The reply is invalid.
        StoreError: The store cannot be read.
    """
    key = calls.store.key(handover.address)

    def look() -> bytes | None:
        try:
            return calls.store.read(key)
        except FileNotFoundError:
            return None

    try:
        body = poll(
            look,
            closing.wait,
            first_s=calls.first_pause_s,
            longest_s=calls.longest_pause_s,
            seconds=handover.until + calls.grace_s - time.time(),
        )
    except StoppedError:
        raise WorkerCrashedError("the invoker is closed", where=handover.where) from None
    if body is None:
        raise WorkerTimeoutError(
            "no reply arrived in time: the call exceeded its time or memory and was killed, or never had "
            "its turn",
            where=handover.where,
            remedy="look for this request in the function's on-failure destination and its log",
        )
    _remove(calls.store, key)
    return _read(body, handover.where)


def _read(body: bytes, where: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("reply", answer.get("failure")), dict):
        raise WorkerError(f"the worker's reply is invalid: {body[:200]!r}", where=where)
    return answer


def _remove(store: ObjectStore, key: str) -> None:
    try:
        store.delete([key])
    except StoreError as error:  # the reply has been read; gc removes it with the attempt
        _logger.warning("a reply remains in the store: %s", error)
