"""The entrances of the API, called as their services call them."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus

import uvicorn
from asking import Answer, Request
from ports import free_port
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

EVENTS = Path(__file__).resolve().parents[2] / "events"


def sample(name: str) -> dict[str, Any]:
    """The sample event of a service."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


class OnLambda:
    """A handler of Lambda behind a service.

    Args:
        handler: The handler.
        service: Name of the service's file in `events/`.
    """

    def __init__(self, handler: Callable[[Any, Any], Any], service: str) -> None:
        self._handler, self.service = handler, service

    def send(self, request: Request) -> Answer:
        event = _EVENTS[self.service](request)
        # Lambda hands the event over as JSON.
        reply = self._handler(json.loads(json.dumps(event)), SimpleNamespace(aws_request_id="invocation-1"))
        reply = json.loads(json.dumps(reply))
        headers = {name: ", ".join(values) for name, values in reply.get("multiValueHeaders", {}).items()}
        body = reply["body"]
        # Gateways of type REST would need settings for binary answers; there are none.
        assert not reply["isBase64Encoded"]
        return Answer(reply["statusCode"], {**headers, **(reply.get("headers") or {})}, body.encode())


def _body(request: Request) -> dict[str, Any]:
    try:
        return {"body": request.body.decode() or None, "isBase64Encoded": False}
    except UnicodeDecodeError:
        return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


def _version_2(name: str, request: Request, path: str) -> dict[str, Any]:
    event = sample(name)
    event["requestContext"]["http"] |= {"method": request.method, "path": path}
    named = {key.lower(): value for key, value in request.headers.items()}
    return event | {
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": event["headers"] | named,
    } | _body(request)  # fmt: skip


def _function_url(request: Request) -> dict[str, Any]:
    return _version_2("function-url", request, request.path)


def _http_api(request: Request) -> dict[str, Any]:
    """HTTP APIs decode the path, and cut it at a question mark that appears."""
    return _version_2("http-api", request, unquote(request.path).partition("?")[0])


def _pairs(query: str) -> dict[str, list[str]]:
    found = defaultdict(list)
    for pair in filter(None, query.split("&")):
        key, _, value = pair.partition("=")
        found[key].append(value)
    return dict(found)


def _rest_api(request: Request) -> dict[str, Any]:
    event = sample("rest-api")
    pairs = {
        unquote_plus(key): [unquote_plus(one) for one in values]
        for key, values in _pairs(request.query).items()
    }
    return event | {
        "httpMethod": request.method,
        "path": request.path,
        "headers": event["headers"] | dict(request.headers),
        "multiValueHeaders": event["multiValueHeaders"] | {k: [v] for k, v in request.headers.items()},
        "queryStringParameters": {key: values[-1] for key, values in pairs.items()} or None,
        "multiValueQueryStringParameters": pairs or None,
    } | _body(request)  # fmt: skip


def _alb(request: Request) -> dict[str, Any]:
    event = sample("alb")
    pairs = {key: values[-1] for key, values in _pairs(request.query).items()}
    named = {key.lower(): value for key, value in request.headers.items()}
    return event | {
        "httpMethod": request.method,
        "path": request.path,
        "queryStringParameters": pairs,
        "headers": event["headers"] | named,
        "body": "",
    } | {key: value or "" for key, value in _body(request).items()}  # fmt: skip


def _alb_multi_value(request: Request) -> dict[str, Any]:
    event = sample("alb-multi-value")
    named = {key.lower(): [value] for key, value in request.headers.items()}
    return event | {
        "httpMethod": request.method,
        "path": request.path,
        "multiValueQueryStringParameters": _pairs(request.query),
        "multiValueHeaders": event["multiValueHeaders"] | named,
    } | {key: value or "" for key, value in _body(request).items()}  # fmt: skip


_EVENTS: dict[str, Callable[[Request], dict[str, Any]]] = {
    "function-url": _function_url,
    "http-api": _http_api,
    "rest-api": _rest_api,
    "alb": _alb,
    "alb-multi-value": _alb_multi_value,
}


class OverHttp:
    """A server on a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(request.method, request.address, request.body or None, dict(request.headers))
            reply = connection.getresponse()
            return Answer(
                reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
            )
        finally:
            connection.close()


@contextmanager
def served(application: ASGIApp) -> Iterator[OverHttp]:
    """The application under uvicorn, in a thread."""
    port = free_port()
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, lifespan="off", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for("the server listens", lambda: server.started, pause_s=0.01)
        yield OverHttp(port)
    finally:
        server.should_exit = True
        thread.join()
