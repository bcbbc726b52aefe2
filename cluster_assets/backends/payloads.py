"""Encoding of events and replies, checked against Lambda's payload limits before any call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.costs import LAMBDA_PAYLOAD_BYTES
from cluster_assets.domain.errors import WorkerError, WorkerPayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping


def encode_event(event: Mapping[str, Any]) -> bytes:
    """Encode an event as JSON.

    Raises:
        WorkerPayloadError: The event is not JSON, or larger than Lambda's limit.
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
    """Decode the handler's reply.

    Raises:
        WorkerError: The reply is not a JSON object.
    """
    try:
        reply = json.loads(body)
    except ValueError as error:
        raise WorkerError(f"the worker's reply is not JSON: {body[:200]!r}") from error
    if not isinstance(reply, dict):
        raise WorkerError(f"the worker's reply is not a JSON object: {body[:200]!r}")
    return reply
