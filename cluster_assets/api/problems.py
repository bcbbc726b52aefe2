"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBLEM_JSON = "application/problem+json"
_INDEX = re.compile(r"\[(\d+)\]")
_SOME_KEY = "[...]"  # msgspec does not say which key of a dictionary
# How msgspec ends its messages: "Expected `int`, got `str` - at `$.items[0].vector[1]`".
_LOCATION = re.compile(r"(?P<problem>.*) - at `(?:key in )?\$(?P<path>.*)`", re.DOTALL)


class ProblemError(Exception):
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        detail: What is wrong, and what is expected.
        field: The field of the body or query at fault: `items/0/vector/1`.
        headers: Headers of the response.
    """

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, dict(headers or {})


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an error.

    Attributes:
        title: Phrase of the status.
        status: HTTP status.
        detail: What is wrong, and what is expected.
        field: The field of the body or query at fault, as a path: `items/0/vector/1`.
        request_id: The id under which the log has the request.
    """

    title: str
    status: int
    detail: str
    field: str | None = None
    request_id: str | None = None


def encode_problem(error: ProblemError, request_id: str | None = None) -> bytes:
    """Return the JSON body of an error."""
    return msgspec.json.encode(
        ProblemDetails(
            title=HTTPStatus(error.status).phrase,
            status=error.status,
            detail=error.detail,
            field=error.field,
            request_id=request_id,
        )
    )


def invalid(error: msgspec.ValidationError, status: int, within: str = "") -> ProblemError:
    """Translate an error of msgspec; the field is a path below `within`."""
    found = _LOCATION.fullmatch(str(error))
    problem, path = (found["problem"], found["path"]) if found else (str(error), "")
    known = path.partition(_SOME_KEY)[0]
    parts = [part for part in _INDEX.sub(r".\1", known).split(".") if part]
    field = "/".join([within, *parts] if within else parts)
    return ProblemError(status, f"{field}: {problem}" if field else problem, field=field or None)
