"""JSON 1.1 over HTTP in threads."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from athena_wire.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    # An operation and its request to the answer; None where it shall be lost.
    Answer = Callable[[str, dict[str, Any]], dict[str, Any] | None]

_SERVICE = "AmazonAthena."


class Listener(ThreadingHTTPServer):
    """Listens on 127.0.0.1 and a free port."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            status, answer = 200, self._answered(body)
        except RequestError as error:
            status, answer = error.status, {"__type": error.code, "message": error.message}
            if error.athena_code:
                answer["AthenaErrorCode"] = error.athena_code
        if answer is None:
            self.close_connection = True
            return
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.send_header("Date", dt.datetime.now(dt.UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"))
        self.end_headers()
        self.wfile.write(data)

    def _answered(self, body: bytes) -> dict[str, Any] | None:
        target = self.headers.get("X-Amz-Target", "")
        if "/athena/aws4_request" not in self.headers.get("Authorization", ""):
            raise RequestError("UnrecognizedClientException", "The request is not signed", status=403)
        if not target.startswith(_SERVICE):
            raise RequestError("UnknownOperationException", f"{target} is not Athena")
        return self.server.answer(target.removeprefix(_SERVICE), json.loads(body))

    def log_message(self, *_: object) -> None:
        """Say nothing."""
