"""What surrounds every request: its id, its line in the log, its numbers, and answers to errors."""

from __future__ import annotations

import logging
import os
import re
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response

from cluster_assets.api.problems import PROBLEM_JSON, ProblemError, encode_problem
from cluster_assets.domain.errors import CatalogError, IntegrityError, StoreError
from lambda_worker.contract import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cluster_assets.api.metrics import Metrics

LOG = logging.getLogger("cluster_assets.api")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
EMF_NAMESPACE = "ClusterAssets/Serving"
_EMF_UNITS = {
    "Requests": "Count",
    "ServerErrors": "Count",
    "ClientErrors": "Count",
    "Items": "Count",
    "ms": "Milliseconds",
}
_EMF_METRICS = [
    {
        "Namespace": EMF_NAMESPACE,
        "Dimensions": [["function", "operation"], ["function"]],
        "Metrics": [{"Name": name, "Unit": unit} for name, unit in _EMF_UNITS.items()],
    }
]


@dataclass
class Record:
    """What the log says about a request; entities and features are not in it, because they may be personal.

    Attributes:
        headers: Headers of the request; the log has none of them.
        request_id: The id from the request, if valid, else a new one.
        operation: Name of the operation.
        status: HTTP status.
        facts: What else there is to say: `pipeline`, `day`, `items`, and the trace of an unexpected `error`.
    """

    headers: Headers
    request_id: str
    operation: str = "none"
    status: int = 500
    facts: dict[str, object] = field(default_factory=dict)


class Observer:
    """Middleware that gives requests an id, logs and counts them, and turns errors into problem details.

    Args:
        app: The application.
        metrics: Where requests are counted.
        has_emf: Whether log lines carry CloudWatch's embedded metric format.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, has_emf: bool) -> None:
        self._app, self._metrics, self._has_emf = app, metrics, has_emf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope["app"] = self  # the router then raises what it cannot route, and answers nothing itself
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        record = Record(headers, _request_id(scope, headers))
        scope["cluster_assets.record"] = record
        started = time.perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                # A new list: the answer to OPTIONS sends its own one again.
                message["headers"] = _with_headers(message["headers"], record.request_id)
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._answer(scope, receive, send_with_headers, record)
        finally:
            self._note(scope["method"], record, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, record: Record) -> None:
        try:
            await self._app(scope, receive, send)
        except ProblemError as error:
            problem = error
        except HTTPException as error:  # of the router: no such path, or not this method
            problem = ProblemError(error.status_code, _routing_detail(scope, error), headers=error.headers)
        except (StoreError, CatalogError) as error:
            record.facts["error"] = str(error)
            problem = ProblemError(503, "the published days cannot be read now; ask again later")
        except (IntegrityError, InputError) as error:
            record.facts["error"] = str(error)
            problem = ProblemError(503, "the published files of this day cannot be read; the log says why")
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer has no trace; the log has it
            record.facts["error"] = "".join(traceback.format_exception(error))
            problem = ProblemError(500, "an unexpected error; the log has it under this request_id")
        else:
            return
        body = encode_problem(problem, record.request_id)
        response = Response(body, problem.status, problem.headers, media_type=PROBLEM_JSON)
        await response(scope, receive, send)

    def _note(self, method: str, record: Record, seconds: float) -> None:
        self._metrics.add(record.operation, record.status, seconds)
        items = record.facts.get("items")
        if isinstance(items, int) and record.status == 200:
            self._metrics.add_items(str(record.facts["pipeline"]), items)
        line: dict[str, object] = {
            "time": time.time(),
            "level": "ERROR" if record.status >= 500 else "INFO",
            "request_id": record.request_id,
            "method": method,
            "operation": record.operation,
            "status": record.status,
            "ms": round(seconds * 1000, 3),
            **record.facts,
        }
        if self._has_emf:
            line |= embedded_metrics(line)
        write_line(line)


def write_line(line: dict[str, object]) -> None:
    """Write a line to the log at its `level`.

    The record is made here: `Logger.log` would look through the stack for its caller, which nobody reads.
    """
    level = logging.ERROR if line["level"] == "ERROR" else logging.INFO
    if LOG.isEnabledFor(level):
        text = msgspec.json.encode(line).decode()
        LOG.handle(logging.LogRecord(LOG.name, level, __file__, 0, text, None, None))


def log_to(stream: TextIO) -> None:
    """Write the log to a stream, one JSON object a line; CloudWatch and other collectors read it as it is."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOG.handlers = [handler]
    LOG.propagate = False
    LOG.setLevel(logging.INFO)
    # It logs paths, and entities are in them.
    logging.getLogger("mangum").setLevel(logging.WARNING)


def embedded_metrics(line: dict[str, object]) -> dict[str, object]:
    """Return the keys that make CloudWatch count a log line: requests, errors, duration and items."""
    status = line["status"]
    return {
        "function": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "none"),
        "Requests": 1,
        "ServerErrors": int(isinstance(status, int) and status >= 500),
        "ClientErrors": int(isinstance(status, int) and 400 <= status < 500),
        "Items": line.get("items", 0),
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": _EMF_METRICS},
    }


def _with_headers(given: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with the id, and with those of every response that it lacks."""
    headers = [*given, (b"x-request-id", request_id.encode())]
    names = {name for name, _ in headers}
    return headers + [one for one in _HEADERS if one[0] not in names]


def _request_id(scope: Scope, headers: Headers) -> str:
    """Return the id of the caller if it is valid, else that of the invocation on Lambda, else a new one."""
    given = headers.get("x-request-id")
    if given is not None and _ID.fullmatch(given):
        return given
    invocation = getattr(scope.get("aws.context"), "aws_request_id", None)
    return str(invocation) if invocation else uuid4().hex


def _routing_detail(scope: Scope, error: HTTPException) -> str:
    if error.status_code == 405:
        return f"{scope['method']} is not possible here"
    return "there is nothing at this address; GET /openapi.json lists all operations"
