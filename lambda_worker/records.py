"""Replies that are kept beside the results: work that is done is answered from them.

A record names the size of every result. It counts only while all of them stand: a result may be lost to a
clean-up that was killed, or to a loss of power.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from lambda_worker.contract import ContractError, Reply
from lambda_worker.storage import make_durable, put_small, read_small, size_of

if TYPE_CHECKING:
    from lambda_worker.contract import Event

    R = TypeVar("R", bound=Reply)


def read_record(event: Event, kind: type[R]) -> R | None:
    """The reply kept for an event, or None where there is none, or it has lost a result."""
    body = None if event.record is None else read_small(event.record)
    if body is None:
        return None
    try:
        record = json.loads(body)
        reply = kind.from_json(record["reply"])
        sizes = dict(record["sizes"])
    except (ValueError, KeyError, TypeError, ContractError):
        return None  # half of one, or of another version: the work is done again, and writes a new one
    return reply if sizes == _sizes(event) and None not in sizes.values() else None


def keep_record(event: Event, reply: Reply) -> None:
    """Keep a reply; its results are safe on disk before."""
    if event.record is None:
        return
    for address in event.results:
        make_durable(address)
    record = {"reply": reply.to_json(), "sizes": _sizes(event)}
    put_small(event.record, json.dumps(record, sort_keys=True).encode())


def _sizes(event: Event) -> dict[str, int | None]:
    return {address: size_of(address) for address in event.results}
