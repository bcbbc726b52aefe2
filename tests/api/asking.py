"""Requests to the API, the same through every entrance."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import unquote, urlencode

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from starlette.types import ASGIApp, Message


T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A request; the address is percent-encoded, as in HTTP."""

    method: str
    address: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.address.partition("?")[0]

    @property
    def query(self) -> str:
        return self.address.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """A response; the names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Entrance(Protocol):
    """A way into the API."""

    def send(self, request: Request) -> Answer: ...


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own; `asyncio.run` would take that of Mangum from the thread."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


class InProcess:
    """The application itself, called as a server calls it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def send(self, request: Request, chunk: int = 1 << 16) -> Answer:
        return run(self.send_soon(request, chunk))

    async def send_soon(self, request: Request, chunk: int = 1 << 16) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "path": unquote(request.path),
            "raw_path": request.path.encode(),
            "query_string": request.query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in request.headers.items()],
            "scheme": "http",
            "root_path": "",
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 1),
        }
        parts = [request.body[k : k + chunk] for k in range(0, len(request.body), chunk)] or [b""]
        waiting: list[Message] = [
            {"type": "http.request", "body": part, "more_body": k + 1 < len(parts)}
            for k, part in enumerate(parts)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return waiting.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return Answer(
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            b"".join(message.get("body", b"") for message in sent[1:]),
        )


class Client:
    """Requests with fewer words.

    Args:
        entrance: The way into the API.
        headers: Headers of every request.
    """

    def __init__(self, entrance: Entrance, headers: Mapping[str, str] | None = None) -> None:
        self._entrance, self._headers = entrance, dict(headers or {})

    def get(self, address: str, **query: object) -> Answer:
        return self._entrance.send(Request("GET", _with(address, query), headers=self._headers))

    def post(
        self, address: str, body: object, media_type: str = "application/json", **headers: str
    ) -> Answer:
        """Send bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._entrance.send(
            Request("POST", address, content, {**self._headers, "content-type": media_type, **named})
        )

    def send(self, method: str, address: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._entrance.send(Request(method, address, headers={**self._headers, **named}))


def _with(address: str, query: Mapping[str, object]) -> str:
    return f"{address}?{urlencode(query)}" if query else address
