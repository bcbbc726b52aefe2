"""Which calls are too long for a connection, and how the answers of those are found in the store.

A call that is answered on its connection tells every failure with its cause, so that is the rule. But load
balancers and NAT gateways forget a connection that was quiet for 350 s, and the answer with it. What will
take longer than half of that is handed over as an event; the worker puts its answer into the store.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import (
    StoreError,
    WorkerCrashedError,
    WorkerError,
    WorkerTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.ports import ObjectStore

_logger = logging.getLogger(__name__)

LONGEST_QUIET_S = 350.0
"""NAT gateways and network load balancers drop what was quiet for this long (VPC and ELB user guides)."""


@dataclass(frozen=True, slots=True)
class LongCalls:
    """When to hand a call over, and how to wait for its answer.

    Attributes:
        store: Where answers appear.
        from_s: Calls that take longer than this, as foreseen or as measured before, are handed over.
        grace_s: Seconds past the time of a call that its answer may still come: it waited for its turn.
        first_pause_s: Pause before the first look; each is longer by a half.
        longest_pause_s: Upper bound of every pause.
    """

    store: ObjectStore
    from_s: float = LONGEST_QUIET_S / 2
    grace_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 5.0


class Durations:
    """The longest call of each operation so far; safe from several threads."""

    def __init__(self) -> None:
        self._longest: dict[str, float] = {}
        self._lock = Lock()

    def note(self, event: Mapping[str, Any], seconds: float) -> None:
        """A call took this long."""
        operation = str(event.get("operation", ""))
        with self._lock:
            self._longest[operation] = max(seconds, self._longest.get(operation, 0.0))

    def foreseen(self, event: Mapping[str, Any]) -> float:
        """What a call will take: what its event says, or the longest of its operation if that is more."""
        said = event.get("seconds") or 0.0
        return max(float(said), self._longest.get(str(event.get("operation", "")), 0.0))


def answer_address(event: Mapping[str, Any]) -> str | None:
    """A new address for the answer of an event, beside its record or output; None when it has neither.

    The name begins with `_`, so that whoever reads the folder as a table passes over it.
    """
    beside = event.get("record") or event.get("output")
    if not isinstance(beside, str) or "/" not in beside:
        return None
    return f"{beside.rpartition('/')[0]}/_answer-{uuid.uuid4().hex}.json"


@dataclass(frozen=True, slots=True)
class Handover:
    """A call that was handed over.

    Attributes:
        address: Where its answer will be.
        until: Seconds since 1970, when it is over.
        where: The function and the request, for messages.
    """

    address: str
    until: float
    where: str


def wait_for_answer(calls: LongCalls, handover: Handover, closing: Event) -> Mapping[str, Any]:
    """The answer of a call that was handed over: an object with `reply`, or with `failure`.

    Args:
        calls: How to wait.
        handover: What for.
        closing: Ends the waiting.

    Raises:
        WorkerTimeoutError: There is none within its time.
        WorkerCrashedError: The invoker was closed.
        WorkerError: It is no answer.
        StoreError: The store refuses to be read.
    """
    key = calls.store.key(handover.address)
    pause = calls.first_pause_s
    while not closing.wait(pause):
        try:
            body = calls.store.read(key)
        except FileNotFoundError:
            if time.time() > handover.until + calls.grace_s:
                raise WorkerTimeoutError(
                    "no answer came within the time of the call: it was killed for its time or memory, or "
                    "never had its turn",
                    where=handover.where,
                    remedy="look for this request in the function's on-failure destination and its log",
                ) from None
        else:
            _remove(calls.store, key)
            return _read(body, handover.where)
        pause = min(pause * 1.5, calls.longest_pause_s)
    raise WorkerCrashedError("the invoker is closed", where=handover.where)


def _read(body: bytes, where: str) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("reply", answer.get("failure")), dict):
        raise WorkerError(f"the worker's answer is {body[:200]!r}", where=where)
    return answer


def _remove(store: ObjectStore, key: str) -> None:
    try:
        store.delete([key])
    except StoreError as error:  # it was read; gc removes it with the attempt
        _logger.warning("an answer stays in the store: %s", error)
