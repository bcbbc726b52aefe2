"""fakesnow over HTTP, with the locks of Snowflake: a transaction waits for the one before.

It runs in the environment of `requirements/snowflake.lock`. DuckDB, which fakesnow runs on, refuses updates
at once; Snowflake makes the second one wait, and ends a transaction whose client is gone.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fakesnow.server import app, sessions

QUERY = "/queries/v1/query-request"
_ESTABLISHED = "01"


class Locks:
    """An ASGI application around another one: one transaction at a time.

    Args:
        application: fakesnow.
        log: Receives each statement, a line of JSON.
    """

    def __init__(self, application: Any, log: Path) -> None:
        self._application = application
        self._log = log
        self._held = asyncio.Lock()
        self._holder: tuple[str, int] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in (QUERY, "/session"):
            await self._application(scope, receive, send)
            return
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        token = headers.get("authorization", "")[17:-1]
        body = await _body(receive)
        statement = ""
        if scope["path"] == QUERY:
            is_packed = headers.get("content-encoding") == "gzip"
            request = json.loads(gzip.decompress(body) if is_packed else body)
            statement = request["sqlText"]
            with self._log.open("a") as log:
                log.write(json.dumps(statement) + "\n")
            if " ICEBERG TABLE " in statement:  # fakesnow has none
                answered = json.dumps(request | {"sqlText": "SELECT 1"}).encode()
                body = gzip.compress(answered) if is_packed else answered
        if statement == "BEGIN":
            await self._wait()
            self._holder = (token, scope["client"][1])
        elif self._holder and self._holder[0] == token:
            self._holder = (token, scope["client"][1])
        if b"delete=true" in scope["query_string"]:
            self._end(token, roll_back=True)
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Any:
            return next(given, None) or await receive()

        await self._application(scope, replay, send)
        if statement in ("COMMIT", "ROLLBACK"):
            self._end(token, roll_back=False)

    async def _wait(self) -> None:
        while self._held.locked():
            if self._holder and not _is_connected(self._holder[1]):
                self._end(self._holder[0], roll_back=True)
            await asyncio.sleep(0.01)
        await self._held.acquire()

    def _end(self, token: str, *, roll_back: bool) -> None:
        if self._holder is None or self._holder[0] != token:
            return
        if roll_back:
            sessions[token].rollback()
        self._holder = None
        self._held.release()


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _is_connected(port: int) -> bool:
    """Whether a client on this machine still holds its connection."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *_ = line.split()
        if int(local.rpartition(":")[2], 16) == port and state == _ESTABLISHED:
            return True
    return False


if __name__ == "__main__":
    uvicorn.run(Locks(app, Path(sys.argv[2])), port=int(sys.argv[1]), log_level="warning")
