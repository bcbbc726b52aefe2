"""The application that every entrance serves."""

from __future__ import annotations

import asyncio
import hmac
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import Response
from starlette.routing import Route, Router

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

    from starlette.datastructures import Headers
    from starlette.types import Receive, Scope, Send

    from cluster_assets.api.config import ApiConfig
    from lambda_worker.serving.contract import ServedDays


_THREADS = 40
_BUSY = ("classify", "entity")
"""Routes are tried one after the other; these operations are asked for most, so their routes come first."""


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
) -> Observer:
    """Create the application.

    It is Starlette's router alone: `Observer` does what the middleware of a `Starlette` would, and more.

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
    threads = ThreadPoolExecutor(_THREADS, "answer") if config.in_threads else None
    routes = [
        Route(one.path, _Endpoint(one, days, config, enricher, threads), methods=[one.method, "OPTIONS"])
        for one in sorted(operations, key=lambda one: one.name not in _BUSY)
    ]
    return Observer(Router(routes, redirect_slashes=False), metrics, has_emf=has_emf)


class _Endpoint:
    """An operation as an ASGI application."""

    def __init__(
        self,
        operation: Operation,
        days: ServedDays,
        config: ApiConfig,
        enricher: Enricher,
        threads: ThreadPoolExecutor | None,
    ) -> None:
        self._operation, self._days, self._config, self._enricher = operation, days, config, enricher
        self._threads = threads
        self._token = None if operation.is_public or config.token is None else config.token.encode()
        methods = [operation.method, "OPTIONS", *(["HEAD"] if operation.method == "GET" else [])]
        self._options = Response(status_code=204, headers={"allow": ", ".join(sorted(methods))})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        record: Record = scope["cluster_assets.record"]
        record.operation = self._operation.name
        if scope["method"] == "OPTIONS":
            await self._options(scope, receive, send)
            return
        headers = record.headers
        self._check_token(headers)
        query: Any = read_query(scope, self._operation.query, self._config.max_address_bytes)
        body = b""
        if self._operation.method == "POST":
            body = await read_body(receive, headers, self._config.max_body_bytes)
        question = Question(
            self._days, self._config, scope["path_params"], query, headers, body, self._enricher, record.facts
        )
        if self._threads is None:
            reply = self._answer(question)
        else:
            reply = await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)
        response = Response(reply.body, 200, reply.headers, media_type=reply.media_type)
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
