"""Replies that are kept beside the results, written once: work that is done is answered from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from lambda_worker.contract import ContractError, InputError, Reply
from lambda_worker.storage import put_if_absent, read_small

if TYPE_CHECKING:
    R = TypeVar("R", bound=Reply)


def read_record(address: str, kind: type[R]) -> R | None:
    """The reply kept at an address, or None.

    Raises:
        InputError: What stands there is no such reply.
    """
    body = read_small(address)
    if body is None:
        return None
    try:
        return kind.from_json(json.loads(body))
    except (ValueError, ContractError) as error:
        raise InputError(f"{address} is no record of a reply: {error}") from error


def keep_record(address: str, reply: Reply) -> None:
    """Keep a reply unless one stands there: the work is a function of the event, so the first one counts."""
    put_if_absent(address, json.dumps(reply.to_json(), sort_keys=True).encode())
