"""Answers stored as files, for callers that send an event and look for its answer later."""

from __future__ import annotations

import json
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambda_worker.runtime.storage import put_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def posted_answer(event: object) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Store the reply, or the exception that leaves the context, at the event's `answer` address.

    The object is `{"reply": …}`, or `{"failure": …}` with the fields of Lambda's function errors. If the
    process is killed, there is no object.
    """
    address = event.get("answer") if isinstance(event, dict) else None

    def post(answer: dict[str, Any]) -> None:
        if isinstance(address, str) and address:
            put_small(address, json.dumps(answer).encode())

    try:
        yield lambda reply: post({"reply": reply})
    except Exception as error:
        failure = {
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        post({"failure": failure})
        raise
