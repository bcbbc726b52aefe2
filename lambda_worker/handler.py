"""The Lambda function: one event in, one reply out, as `lambda_worker.contract` defines them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambda_worker.contract import ClusterReply, ContractError, Reply
from lambda_worker.deadline import deadline_of, keep_deadline
from lambda_worker.memory import peak_memory_mb
from lambda_worker.operations import operation_of
from lambda_worker.posting import posted_answer
from lambda_worker.records import keep_record, read_record

if TYPE_CHECKING:
    from lambda_worker.operations import Operation


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer one event.

    What the caller can mend (a bad event, a bad input file, too little time) comes back as `ok=False`, for it
    would fail again as it is. Anything else is raised, so that Lambda reports a function error.

    Args:
        event: The JSON of an event of `lambda_worker.contract`; unknown keys are ignored. Where it names an
            address for the answer, the answer is put there too, an exception as well.
        context: Lambda's context; its remaining time counts, where it has any.

    Returns:
        The reply that belongs to the event, as JSON.
    """
    with posted_answer(event) as post:
        reply = _reply(event, context)
        post(reply)
    return reply


def _reply(event: dict[str, Any], context: object) -> dict[str, Any]:
    started = time.perf_counter()
    kind: type[Reply] = ClusterReply
    try:
        operation = operation_of(event)
        kind = operation.reply
        reply = _answer(operation, event, context, started)
    except ContractError as error:
        reply = _timed(kind(ok=False, error_type=type(error).__name__, error=str(error)), started)
    return reply.to_json()


def _answer(operation: Operation, body: dict[str, Any], context: object, started: float) -> Reply:
    event = operation.event.from_json(body)
    if (known := read_record(event, operation.reply)) is not None:
        return replace(known, reused=True)
    with keep_deadline(deadline_of(event, context), event.seconds):
        reply = _timed(operation.load()(event), started)
    keep_record(event, reply)
    return reply


def _timed(reply: Reply, started: float) -> Reply:
    seconds = time.perf_counter() - started
    return replace(reply, seconds=round(seconds, 6), peak_memory_mb=round(peak_memory_mb(), 1))
