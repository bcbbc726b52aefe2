"""Cloud Run functions: the application as functions-framework calls it, with its option `--asgi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp


def create_function(application: ASGIApp) -> Callable[[Request], Awaitable[ASGIApp]]:
    """Create a function for functions-framework.

    The framework calls what the function returns with the request's scope, as it does with a response of
    Starlette; so the application itself is the answer.
    """

    async def answer(_: Request) -> ASGIApp:
        return application

    return answer
