"""A receiver of webhooks on this machine."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class Webhook(ThreadingHTTPServer):
    """Collects what it is sent.

    Attributes:
        refusals: Statuses of the next answers; all others are 200.
        answers: While it is not set, the receiver reads a request and does not answer.
        bodies: What it accepted.
        posts: Number of all requests.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.refusals: list[int] = []
        self.answers = threading.Event()
        self.answers.set()
        self.bodies: list[dict[str, Any]] = []
        self.posts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/canary-t0ken-4417"


class _Post(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts += 1
        if not self.server.answers.is_set():
            self.server.answers.wait()
            return  # the sender has given up
        status = self.server.refusals.pop(0) if self.server.refusals else 200
        if status == 200:
            self.server.bodies.append(json.loads(body))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", self.server.url)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@contextmanager
def open_webhook() -> Iterator[Webhook]:
    """Answer until the context ends."""
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.answers.set()
            server.shutdown()
            thread.join()
