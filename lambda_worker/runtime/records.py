"""Replies stored beside the results, so that repeated events are answered without work.

A record contains the size of every result. It is valid only while all results exist: an interrupted clean-up
or a power failure may remove one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from lambda_worker.contract import ContractError, Reply
from lambda_worker.runtime.storage import make_durable, put_small, read_small, size_of

if TYPE_CHECKING:
    from lambda_worker.contract import Event

    R = TypeVar("R", bound=Reply)


def read_record(event: Event, kind: type[R]) -> R | None:
    """Return the stored reply of an event, or None if there is none or a result is missing."""
    body = None if event.record is None else read_small(event.record)
    if body is None:
        return None
    try:
        record = json.loads(body)
        reply = kind.from_json(record["reply"])
        sizes = dict(record["sizes"])
    except (ValueError, KeyError, TypeError, ContractError):
        return None  # incomplete or from another version: do the work again, which writes a new record
    return reply if sizes == _sizes(event) and None not in sizes.values() else None


def keep_record(event: Event, reply: Reply) -> None:
    """Store a reply, after its results are durable."""
    if event.record is None:
        return
    for address in event.results:
        make_durable(address)
    record = {"reply": reply.to_json(), "sizes": _sizes(event)}
    put_small(event.record, json.dumps(record, sort_keys=True).encode())


def _sizes(event: Event) -> dict[str, int | None]:
    return {address: size_of(address) for address in event.results}
