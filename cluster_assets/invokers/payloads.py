"""Events and replies as bytes, checked against what Lambda carries before anything is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import WorkerError, WorkerPayloadError
from cluster_assets.domain.limits import LAMBDA_PAYLOAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping


def encode_event(event: Mapping[str, Any]) -> bytes:
    """An event as JSON.

    Raises:
        WorkerPayloadError: It is no JSON, or larger than Lambda carries.
    """
    try:
        body = json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise WorkerPayloadError(f"the event is not JSON: {error}") from error
    if len(body) > LAMBDA_PAYLOAD_BYTES:
        raise WorkerPayloadError(
            f"the request has {len(body)} bytes; LAMBDA_PAYLOAD_BYTES is {LAMBDA_PAYLOAD_BYTES}",
            remedy="pass addresses of data, not data",
        )
    return body


def decode_reply(body: bytes) -> Mapping[str, Any]:
    """The handler's reply.

    Raises:
        WorkerError: It is no JSON object.
    """
    try:
        reply = json.loads(body)
    except ValueError as error:
        raise WorkerError(f"the worker's answer is not JSON: {body[:200]!r}") from error
    if not isinstance(reply, dict):
        raise WorkerError(f"the worker answered {body[:200]!r}, not a JSON object")
    return reply
