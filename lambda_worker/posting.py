"""Answers put beside the results, for callers that hand over an event and look for its answer later."""

from __future__ import annotations

import json
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lambda_worker.storage import put_small

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def posted_answer(event: object) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Put the reply that is passed on, or the exception that leaves the context, where the event says.

    The object is `{"reply": …}`, or `{"failure": …}` with the fields of Lambda's function errors. What kills
    the process leaves none.
    """
    address = event.get("answer") if isinstance(event, dict) else None

    def post(answer: dict[str, Any]) -> None:
        if isinstance(address, str) and address:
            put_small(address, json.dumps(answer).encode())

    try:
        yield lambda reply: post({"reply": reply})
    except Exception as error:
        told = {
            "errorType": type(error).__name__,
            "errorMessage": str(error),
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        post({"failure": told})
        raise
