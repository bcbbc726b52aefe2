"""The server: paths of 2015-03-31 over HTTP in threads; counts what it was asked and what it ran."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from local_server import LocalServer

from lambda_wire.functions import WireFailure

if TYPE_CHECKING:
    from lambda_wire.functions import Function

_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/(invocations|configuration)")
_LONGEST_REQUEST = 6_291_456
_LONGEST_EVENT = 1_048_576


@dataclass
class Answer:
    """An answer over HTTP."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A call is refused with a code."""

    def __init__(
        self, status: int, code: str, message: str, *, reason: str = "", retry_after: str = ""
    ) -> None:
        super().__init__(message)
        body = {"Type": "User", "message": message} | ({"Reason": reason} if reason else {})
        headers = {"x-amzn-ErrorType": code} | ({"Retry-After": retry_after} if retry_after else {})
        self.answer = Answer(status, json.dumps(body).encode(), headers)


class LambdaWire(LocalServer):
    """Lambda on 127.0.0.1 and a free port.

    Attributes:
        functions: By name.
        calls: How often each operation was called.
        ran: Events that were run, in the order in which they began.
        qualifiers: What each invocation was addressed to.
        failed: What went to the on-failure destination: the request, the id and the answer of each
            asynchronous invocation that failed. There is no second attempt, as the deployment has it.
        repeats: How often each further event is delivered; Lambda promises at least once.
    """

    def __init__(self) -> None:
        self.functions: dict[str, Function] = {}
        self.calls: Counter[str] = Counter()
        self.ran: list[Any] = []
        self.qualifiers: list[str] = []
        self.failed: list[dict[str, Any]] = []
        self.repeats = 1
        self._faults: deque[RefusedError | str] = deque()
        self._lock = threading.Lock()
        self.serve(_Server(self))

    def reset(self) -> None:
        """Forget functions, faults and counts."""
        with self._lock:
            self.functions.clear()
            self.calls.clear()
            self.ran.clear()
            self.qualifiers.clear()
            self.failed.clear()
            self.repeats = 1
            self._faults.clear()

    def calm(self) -> None:
        """Forget faults."""
        with self._lock:
            self._faults.clear()

    def throttle(self, times: int, reason: str, retry_after: str = "") -> None:
        """Refuse the next invocations as Lambda does when there is no room."""
        refusal = RefusedError(
            429, "TooManyRequestsException", "Rate Exceeded.", reason=reason, retry_after=retry_after
        )
        self.refuse(refusal, times)

    def refuse(self, refusal: RefusedError, times: int = 1) -> None:
        """Refuse the next invocations."""
        self._faults.extend([refusal] * times)

    def lose_answers(self, times: int = 1) -> None:
        """Run the next invocations, then break the connection instead of answering."""
        self._faults.extend(["lose"] * times)

    def drop(self, times: int = 1) -> None:
        """Break the connection of the next invocations before anything runs."""
        self._faults.extend(["drop"] * times)

    def answer(self, method: str, target: str, body: bytes, kind: str = "") -> Answer | None:
        """The answer of a call; None where the connection shall break.

        Args:
            method: Of HTTP.
            target: Path and query.
            body: The payload.
            kind: The invocation type; empty for RequestResponse.

        Raises:
            RefusedError: The call is refused.
        """
        url = urlsplit(target)
        if (match := _PATH.fullmatch(url.path)) is None:
            raise RefusedError(404, "UnknownOperationException", target)
        name, operation = unquote(match[1]), match[2]
        qualifier = parse_qs(url.query).get("Qualifier", ["$LATEST"])[0]
        with self._lock:
            self.calls[operation] += 1
        function = self.functions.get(name)
        if function is None or qualifier not in function.versions:
            arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}:{qualifier}"
            raise RefusedError(404, "ResourceNotFoundException", f"Function not found: {arn}")
        version = function.versions[qualifier]
        if operation == "configuration" and method == "GET":
            return _json(_configuration(name, function, version))
        return self._invoke(function, (qualifier, version), body, is_event=kind == "Event")

    def _invoke(
        self, function: Function, addressed: tuple[str, str], body: bytes, *, is_event: bool
    ) -> Answer | None:
        qualifier, version = addressed
        longest = _LONGEST_EVENT if is_event else _LONGEST_REQUEST
        if len(body) > longest:
            message = f"Request must be smaller than {longest} bytes for the InvokeFunction operation"
            raise RefusedError(413, "RequestTooLargeException", message)
        with self._lock:
            self.qualifiers.append(qualifier)
            fault = self._faults.popleft() if self._faults else None
            if isinstance(fault, RefusedError):
                raise fault
            if fault == "drop":
                return None
            if is_event:
                self.calls["events"] += 1
            self.ran.append(json.loads(body))
        if is_event:
            request = str(uuid.uuid4())
            for _ in range(self.repeats):
                threading.Thread(target=self._run_event, args=(function, body, request), daemon=True).start()
            return Answer(202, b"", {"x-amzn-RequestId": request})
        headers = {"X-Amz-Executed-Version": version}
        try:
            said = function.run(body)
        except WireFailure as failure:
            said, headers["X-Amz-Function-Error"] = failure.body, "Unhandled"
        return None if fault == "lose" else Answer(200, said, headers)

    def _run_event(self, function: Function, body: bytes, request: str) -> None:
        try:
            function.run(body)
        except WireFailure as failure:
            record = {"requestId": request, "requestPayload": json.loads(body)}
            self.failed.append(record | {"responsePayload": json.loads(failure.body)})


def _configuration(name: str, function: Function, version: str) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "FunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:{name}:{version}",
        "Version": version,
        "Runtime": "python3.12",
        "Handler": "lambda_worker.handler.handler",
        "MemorySize": function.memory_mb,
        "Timeout": function.timeout_s,
        "State": function.state[0],
        "StateReason": function.state[1],
        "LastUpdateStatus": "Successful",
    }


def _json(value: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(value).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, wire: LambdaWire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self._answered(body)
        except RefusedError as refusal:
            answer = refusal.answer
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        if "x-amzn-RequestId" not in answer.headers:
            self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST  # noqa: N815  # the name http.server looks for

    def _answered(self, body: bytes) -> Answer | None:
        if "/lambda/aws4_request" not in self.headers.get("Authorization", ""):
            raise RefusedError(403, "UnrecognizedClientException", "The request is not signed")
        kind = self.headers.get("X-Amz-Invocation-Type", "")
        return self.server.wire.answer(self.command, self.path, body, kind)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
