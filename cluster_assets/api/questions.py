"""A request as the operations see it: checked, and without the details of HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.datastructures import Headers, QueryParams

from cluster_assets.api.problems import ProblemError, invalid
from cluster_assets.domain.counts import counted
from lambda_worker.serving.contract import DayNotServedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope

    from cluster_assets.api.config import ApiConfig
    from cluster_assets.api.enrichment.enricher import Enricher
    from lambda_worker.serving.contract import ServedDay, ServedDays

T = TypeVar("T")
_DRAINED = 8  # times the limit: a client that is still sending would miss an early answer
_JSON = ("application/json", "")


@dataclass(frozen=True)
class Question:
    """A request.

    Attributes:
        days: The days to ask.
        config: Limits and defaults.
        path: Parts of the path by name.
        query: The query as the operation's struct.
        headers: Headers of the request.
        body: The body; empty for GET.
        enricher: Asks other servers about an entity.
        facts: What the log says about the request; operations add to it.
    """

    days: ServedDays
    config: ApiConfig
    path: Mapping[str, str]
    query: Any
    headers: Headers
    body: bytes
    enricher: Enricher
    facts: dict[str, object]

    @property
    def media_type(self) -> str:
        """Media type of the body, without parameters; empty if there is none."""
        return media_type(self.headers.get("content-type", ""))

    def open_day(self, day: str | None = None, version: int | None = None) -> ServedDay:
        """Open a day of the pipeline that the path names.

        Raises:
            ProblemError: There is no such pipeline or day (404).
        """
        return self._open(self.path["pipeline"], day, version)

    def open_default(self, day: str | None = None) -> ServedDay:
        """Open a day of the pipeline of entrances whose requests name none.

        Raises:
            ProblemError: There is no such day, or several pipelines and no default (404).
        """
        return self._open(default_pipeline(self.days, self.config), day)

    def _open(self, pipeline: str, day: str | None, version: int | None = None) -> ServedDay:
        served = open_served(self.days, pipeline, day, version)
        if "day" not in self.facts:  # an entity's history opens further days
            self.facts.update(pipeline=served.pipeline, day=served.day)
        return served

    def json_body(self, expected: type[T]) -> T:
        """Decode the body.

        Raises:
            ProblemError: It has another media type (415), is not JSON (400), or does not match (422).
        """
        if self.media_type not in _JSON:
            raise ProblemError(415, f"{self.media_type} is not supported; send application/json")
        return decode_json(self.body, expected)


def open_served(days: ServedDays, pipeline: str, day: str | None, version: int | None = None) -> ServedDay:
    """Open a day.

    Raises:
        ProblemError: There is no such pipeline or day (404).
    """
    try:
        return days.open_day(pipeline, day, version)
    except DayNotServedError as error:
        is_day = day is not None and pipeline in days.pipelines()
        raise ProblemError(404, str(error), field="day" if is_day else None) from error


def default_pipeline(days: ServedDays, config: ApiConfig) -> str:
    """Return the pipeline that the settings name, else the only one.

    Raises:
        ProblemError: There are several, or none (404).
    """
    served = [config.pipeline] if config.pipeline else days.pipelines()
    if len(served) != 1:
        found = ", ".join(served) or "none"
        raise ProblemError(404, f"set CLUSTER_API_PIPELINE to the pipeline to ask; there are: {found}")
    return served[0]


def decode_json(data: bytes, expected: type[T], within: str = "") -> T:
    """Decode JSON; the fields of errors are below `within`.

    Raises:
        ProblemError: It is not JSON (400), or does not match (422).
    """
    try:
        return msgspec.json.decode(data, type=expected)
    except msgspec.ValidationError as error:
        raise invalid(error, 422, within) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"the body is not JSON: {error}", field=within or None) from error


def media_type(header: str) -> str:
    """Return the media type of a header without its parameters."""
    return header.partition(";")[0].strip().lower()


def read_query(scope: Scope, expected: type[T], limit: int) -> T:
    """Check path and query.

    Raises:
        ProblemError: They are too long (414), or a parameter is unknown, repeated or invalid (400).
    """
    raw = scope["query_string"]
    if len(scope["path"].encode(errors="surrogateescape")) + len(raw) > limit:
        raise ProblemError(414, f"path and query have more than {counted(limit, 'byte')}")
    pairs = QueryParams(raw).multi_items() if raw else []
    given = dict(pairs)
    if len(given) < len(pairs):
        raise ProblemError(400, "a query parameter is given twice")
    try:
        return msgspec.convert(given, expected, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, 400) from error


async def read_body(receive: Receive, headers: Headers, limit: int) -> bytes:
    """Receive the body.

    Raises:
        ProblemError: It is larger than `limit` bytes (413), or compressed (415).
    """
    if headers.get("content-encoding", "identity") != "identity":
        raise ProblemError(415, "compressed bodies are not supported; send the body without content-encoding")
    parts, size, more = [], 0, True
    while more and size <= limit * _DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ProblemError(400, "the connection closed before the body was complete")
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size <= limit:
            parts.append(part)
        else:
            parts.clear()
    if size > limit:
        raise ProblemError(
            413, f"the body is larger than {counted(limit, 'byte')}", headers={"connection": "close"}
        )
    return b"".join(parts)
