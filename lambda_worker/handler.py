"""The Lambda function: one event in, one reply out, as `lambda_worker.contract` defines them."""

from __future__ import annotations

import pkgutil
import time
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lambda_worker.contract import ContractError, Reply
from lambda_worker.contract.operations import operation_of
from lambda_worker.runtime.deadline import deadline_of, keep_deadline
from lambda_worker.runtime.memory import peak_memory_mb
from lambda_worker.runtime.posting import posted_answer
from lambda_worker.runtime.records import keep_record, read_record

if TYPE_CHECKING:
    from lambda_worker.contract.operations import Operation


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one event.

    Errors that the caller can fix (a bad event, a bad input file, too little time) are returned as
    `ok=False`, because the same event would fail again. All others are raised, so that Lambda reports a
    function error.

    Args:
        event: The JSON of an event of `lambda_worker.contract`; an unknown field is refused. If it has an
            address for the answer, the answer, or an exception, is also written there.
        context: Lambda's context; its remaining time is a limit, if it has one.

    Returns:
        The reply to the event as JSON; a refusal has only the fields of `Reply`.
    """
    with posted_answer(event) as post:
        reply = _reply(event, context)
        post(reply)
    return reply


def _reply(event: dict[str, Any], context: object) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        reply = _answer(operation_of(event), event, context, started)
    except ContractError as error:
        reply = _timed(Reply(ok=False, error_type=type(error).__name__, error=str(error)), started)
    return reply.to_json()


def _answer(operation: Operation, body: dict[str, Any], context: object, started: float) -> Reply:
    event = operation.event.from_json(body)
    if (known := read_record(event, operation.reply)) is not None:
        return replace(known, reused=True)
    with keep_deadline(deadline_of(event, context), event.seconds):
        reply = _timed(pkgutil.resolve_name(f"lambda_worker.{operation.function}")(event), started)
    keep_record(event, reply)
    return reply


def _timed(reply: Reply, started: float) -> Reply:
    seconds = time.perf_counter() - started
    return replace(reply, seconds=round(seconds, 6), peak_memory_mb=round(peak_memory_mb(), 1))
