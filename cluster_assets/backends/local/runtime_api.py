"""The AWS Lambda Runtime API (version 2018-06-01) for one sandbox, on 127.0.0.1.

The runtime client asks for the next invocation and blocks; it posts a response or an error, and an
error of its own start-up. One server per sandbox, because the client takes host and port only.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BufferedReader
from queue import SimpleQueue
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

from cluster_assets.backends.local.peers import uid_of_peer

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = "/2018-06-01/runtime"
_NEXT = f"{_VERSION}/invocation/next"
_INIT_ERROR = f"{_VERSION}/init/error"
_RESULT = re.compile(rf"{_VERSION}/invocation/([^/]+)/(response|error)", re.ASCII)
_CHUNK_BYTES = 1 << 16
_TEXT_LENGTH = 2000
# Poll interval of an idle server, and so the delay until it notices that it is closed.
_SERVE_POLL_S = 0.1


class ReportKind(Enum):
    """The kinds of messages from the runtime client in the sandbox."""

    READY = "ready"
    INIT_ERROR = "init error"
    RESPONSE = "response"
    ERROR = "error"
    OVERSIZE = "oversize"


@dataclass(frozen=True, slots=True)
class FunctionFailure:
    """An exception of the handler or of its import: `Type: message`, and its innermost frame."""

    text: str
    stack_frame: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """A message from the sandbox; `size` is the size of the body, even if it was too large and dropped."""

    kind: ReportKind
    body: bytes = b""
    size: int = 0

    @property
    def failure(self) -> FunctionFailure:
        """Return the failure in an ERROR or INIT_ERROR, shortened for messages."""
        try:
            error = json.loads(self.body)
            text, stack = f"{error['errorType']}: {error['errorMessage']}", error["stackTrace"]
        except (ValueError, KeyError, TypeError):
            return FunctionFailure(self.body[:_TEXT_LENGTH].decode(errors="replace"), None)
        return FunctionFailure(text[:_TEXT_LENGTH], str(stack[-1]).strip()[:_TEXT_LENGTH] if stack else None)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A request for the sandbox: JSON body, deadline in milliseconds since the epoch."""

    request_id: str
    body: bytes
    deadline_ms: int
    function_arn: str


class RuntimeApi:
    """Serves one sandbox: `offer` an invocation, then read `reports`.

    Args:
        max_body_bytes: Limit of responses; larger ones are refused with status 413.

    Attributes:
        reports: Messages of the sandbox in order: READY or INIT_ERROR once, then one per invocation.
        address: `127.0.0.1:port`, for the sandbox's AWS_LAMBDA_RUNTIME_API.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.max_body_bytes = max_body_bytes
        self.reports: SimpleQueue[Report] = SimpleQueue()
        self._offers: SimpleQueue[Invocation | None] = SimpleQueue()
        self._asked_before = False
        self._current: str | None = None
        self._server = _Server(self)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(_SERVE_POLL_S,), daemon=True).start()

    def offer(self, invocation: Invocation) -> None:
        """Queue an invocation for the sandbox."""
        self._offers.put(invocation)

    def close(self) -> None:
        """Stop serving and release a waiting sandbox."""
        self._offers.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_invocation(self) -> Invocation | None:
        """Wait for an invocation; None if the server closes. Called by the request threads."""
        if not self._asked_before:
            self._asked_before = True
            self.reports.put(Report(ReportKind.READY))
        invocation = self._offers.get()
        if invocation:
            self._current = invocation.request_id
        return invocation

    def accept(self, request_id: str, report: Report) -> bool:
        """Accept the result of the current invocation; False if the request is not running."""
        if request_id != self._current:
            return False
        self._current = None
        self.reports.put(report)
        return True


class _Server(ThreadingTCPServer):
    # Not HTTPServer: it looks up the host's name when it binds, which can take seconds.
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _RequestHandler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Accept only processes of this user: the address is open to all users of the machine."""
        server = ("127.0.0.1", self.server_address[1])
        return uid_of_peer(client_address, server) in (None, os.getuid())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore connections broken by killed sandboxes, and print a traceback for other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _TrimmingReader(BufferedReader):
    """Cuts header lines that http.server refuses.

    The runtime client repeats an exception in a header of up to 1 MiB; http.server stops at 64 KiB.
    """

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if line.endswith(b"\n") or size is None or len(line) < size:
            return line
        while (rest := super().readline(_CHUNK_BYTES)) and not rest.endswith(b"\n"):
            continue
        return line[:_TEXT_LENGTH] + b"\r\n"


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without these two, delayed ACKs between small writes make a warm invocation take 78 ms instead of 1.
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.rfile = _TrimmingReader(self.rfile.detach())

    @property
    def _api(self) -> RuntimeApi:
        return cast("_Server", self.server).api

    def do_GET(self) -> None:
        if self.path != _NEXT:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        invocation = self._api.next_invocation()
        if invocation is None:
            self.close_connection = True
            return
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
            "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        }
        self._answer(HTTPStatus.OK, invocation.body, headers)

    def do_POST(self) -> None:
        body, size = self._read_body()
        # Report before responding, so that a process that exits after the response is not missed.
        if self.path == _INIT_ERROR:
            self._api.reports.put(Report(ReportKind.INIT_ERROR, body, size))
            self._answer(HTTPStatus.ACCEPTED)
        elif match := _RESULT.fullmatch(self.path):
            self._take_result(match[1], match[2], body, size)
        else:
            self._answer(HTTPStatus.NOT_FOUND)

    def log_message(self, *_: object) -> None:
        """Keep the access log off stderr."""

    def _take_result(self, request_id: str, outcome: str, body: bytes, size: int) -> None:
        kind = ReportKind.RESPONSE if outcome == "response" else ReportKind.ERROR
        status = HTTPStatus.ACCEPTED
        if size > self._api.max_body_bytes:
            kind, status = ReportKind.OVERSIZE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        if not self._api.accept(request_id, Report(kind, body, size)):
            status = HTTPStatus.BAD_REQUEST
        self._answer(status)

    def _read_body(self) -> tuple[bytes, int]:
        """Return the body and its size; a body that is too large is read to its end and dropped."""
        size = int(self.headers.get("Content-Length") or 0)
        body = bytearray()
        left = size
        while left:
            chunk = self.rfile.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise ConnectionResetError("the sandbox died while it responded")
            left -= len(chunk)
            if size <= self._api.max_body_bytes:
                body += chunk
        return bytes(body), size

    def _answer(
        self, status: HTTPStatus, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        content = json.dumps({"status": status.phrase}).encode() if body is None else body
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
