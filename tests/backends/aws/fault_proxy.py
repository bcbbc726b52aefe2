"""A proxy before an emulator that breaks what passes through it, as networks and busy services do."""

from __future__ import annotations

import http.client
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_server import LocalServer
from waiting import LONGEST_S

from cluster_assets.backends.aws.clients import AwsAccount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from athena_lake import Lake

_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Call:
    """A received request: method and query identify `GetObject`, the target identifies calls of Glue."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """Glue's operation; empty for S3."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


@dataclass
class Fault:
    """What happens to the next calls that match.

    Attributes:
        matches: Which calls.
        times: How many of them.
        answer: Status and body instead of the emulator's; None passes the call on.
        headers: Beside that answer.
        lose: Break the connection instead of answering.
        before: Runs before the call is passed on, after: behind it.
    """

    matches: Callable[[Call], bool]
    times: int = 1
    answer: tuple[int, str] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    lose: bool = False
    before: Callable[[], object] = lambda: None
    after: Callable[[], object] = lambda: None


@dataclass
class FaultProxy(LocalServer):
    """Listens on 127.0.0.1 and a free port."""

    behind: str
    faults: deque[Fault] = field(default_factory=deque)
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.serve(_Server(self))

    def reset(self) -> None:
        """Forget faults and calls."""
        self.faults.clear()
        self.calls.clear()

    def refuse(self, matches: Callable[[Call], bool], code: str, status: int, times: int = 1) -> None:
        """Answer with S3's XML, or for Glue with its JSON."""
        xml = f"<Error><Code>{code}</Code><Message>told by the test</Message></Error>"
        json = f'{{"__type": "{code}", "message": "told by the test"}}'
        self.faults.append(Fault(lambda call: matches(call) and not call.target, times, (status, xml)))
        self.faults.append(Fault(lambda call: matches(call) and bool(call.target), times, (status, json)))

    def named(self, *targets: str) -> int:
        """How many calls of Glue had these names."""
        return sum(call.target in targets for call in self.calls)

    def pass_on(self, call: Call) -> tuple[int, list[tuple[str, str]], bytes] | None:
        """The answer to a call; None where there shall be none."""
        self.calls.append(call)
        fault = next((one for one in self.faults if one.times > 0 and one.matches(call)), None)
        if fault is not None:
            fault.times -= 1
            fault.before()
            if fault.answer is not None:
                headers = [("Content-Type", "application/xml"), *fault.headers]
                return fault.answer[0], headers, fault.answer[1].encode()
        url = urlsplit(self.behind)
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=LONGEST_S)
        try:
            connection.request(call.method, call.path, call.body, call.headers)
            response = connection.getresponse()
            answer = (response.status, response.getheaders(), response.read())
        finally:
            connection.close()
        if fault is not None:
            fault.after()
        return None if fault is not None and fault.lose else answer


@contextmanager
def bad_line(servers: Lake, service: str) -> Iterator[tuple[FaultProxy, Any]]:
    """A bad line to a service, and a client at this end of it."""
    with FaultProxy(servers.environment[f"AWS_ENDPOINT_URL_{service.upper()}"]) as proxy:
        with servers.environment_set():
            client = AwsAccount(endpoint_url=proxy.url).client(service)
        yield proxy, client
        client.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        done = super().handle_expect_100()
        self.wfile.flush()  # or the client waits a second for it
        return done

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items() if name.lower() != "expect"}
        answer = self.server.proxy.pass_on(Call(self.command, self.path, headers, body))
        if answer is None:
            self.close_connection = True
            return
        status, sent, content = answer
        self.send_response_only(status)
        length = {"content-length": str(len(content))}
        for name, value in sent:
            if name.lower() not in _HOP:
                self.send_header(name, value)
            elif self.command == "HEAD" and name.lower() == "content-length":
                length["content-length"] = value
        self.send_header("Content-Length", length["content-length"])
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815  # names http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""
