"""The application that every entrance serves."""

from __future__ import annotations

import hmac
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from anyio import to_thread
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Route

from cluster_assets.api.enrichment.enricher import Enricher
from cluster_assets.api.metrics import TEXT, Metrics
from cluster_assets.api.observing import Observer, Record
from cluster_assets.api.openapi import write_document
from cluster_assets.api.operations import OPERATIONS, Operation, Reply
from cluster_assets.api.page import page
from cluster_assets.api.problems import ProblemError
from cluster_assets.api.questions import Question, read_body, read_query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from cluster_assets.api.config import ApiConfig
    from lambda_worker.serving.contract import ServedDays


class _Name(Convertor[str]):
    """Any text, with slashes and line feeds."""

    regex = r"(?s:.+)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("name", _Name())


def create_application(
    days: ServedDays,
    config: ApiConfig,
    *,
    entrance: Sequence[Operation] = (),
    has_emf: bool = False,
    enricher: Enricher | None = None,
) -> Starlette:
    """Create the application.

    Args:
        days: The days that it answers from.
        config: Limits and access.
        entrance: Operations of the entrance, besides those that every entrance has.
        has_emf: Whether log lines carry CloudWatch's embedded metric format.
        enricher: Asks other servers about an entity; by default as the settings allow.
    """
    metrics, enricher = Metrics(), enricher or Enricher(config.enrichment)
    operations = [*OPERATIONS, *entrance]
    described = tuple(operations)

    @cache
    def document() -> Reply:
        # On the first request: writing it would lengthen each cold start by 10 ms.
        return Reply(msgspec.json.encode(write_document(described)), "application/json")

    operations += [
        Operation("openapi", "GET", "/openapi.json", "This document", lambda _: document(), is_public=True),
        Operation("metrics", "GET", "/metrics", "Metrics", lambda _: Reply(metrics.text().encode(), TEXT)),
        Operation("page", "GET", "/", "A page for people", lambda _: page(), is_public=True),
    ]
    routes = [
        Route(one.path, _Endpoint(one, days, config, enricher), methods=[one.method, "OPTIONS"])
        for one in operations
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Observer, metrics=metrics, has_emf=has_emf)],
        exception_handlers={HTTPException: _leave_to_observer},
    )
    app.router.redirect_slashes = False
    return app


async def _leave_to_observer(request: Request, error: Exception) -> NoReturn:  # noqa: ARG001
    raise error


class _Endpoint:
    """An operation as an ASGI application."""

    def __init__(self, operation: Operation, days: ServedDays, config: ApiConfig, enricher: Enricher) -> None:
        self._operation, self._days, self._config, self._enricher = operation, days, config, enricher
        self._token = None if operation.is_public or config.token is None else config.token.encode()
        methods = [operation.method, "OPTIONS", *(["HEAD"] if operation.method == "GET" else [])]
        self._options = Response(status_code=204, headers={"allow": ", ".join(sorted(methods))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record: Record = scope["cluster_assets.record"]
        record.operation = self._operation.name
        if scope["method"] == "OPTIONS":
            await self._options(scope, receive, send)
            return
        headers = Headers(scope=scope)
        self._check_token(headers)
        query: Any = read_query(scope, self._operation.query, self._config.max_address_bytes)
        body = b""
        if self._operation.method == "POST":
            body = await read_body(receive, headers, self._config.max_body_bytes)
        question = Question(
            self._days, self._config, scope["path_params"], query, headers, body, self._enricher, record.facts
        )
        if self._config.in_threads:
            reply = await to_thread.run_sync(self._answer, question)
        else:
            reply = self._answer(question)
        response = Response(reply.body, 200, dict(reply.headers or {}), media_type=reply.media_type)
        await response(scope, receive, send)

    def _answer(self, question: Question) -> Reply:
        answer = self._operation.run(question)
        return answer if isinstance(answer, Reply) else Reply(msgspec.json.encode(answer), "application/json")

    def _check_token(self, headers: Headers) -> None:
        if self._token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise ProblemError(
                401, "send the header `Authorization: Bearer TOKEN`", headers={"www-authenticate": "Bearer"}
            )
