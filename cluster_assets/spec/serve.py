"""YAML model of serving: whether a pipeline has an index, and what its answers add and allow."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from cluster_assets.spec.base import Part
from lambda_worker.serving.contract import ENRICH_PREFIX, MAX_ITEMS

_ENTITY = "{entity}"


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"not an address: {error}; write https://HOST/PATH/{_ENTITY}") from error
    is_plain = parts.scheme == "https" and parts.hostname and parts.username is None and not parts.fragment
    if not is_plain or port == 0:
        raise ValueError("not a plain https:// address; credentials belong in headers, not in the url")
    asked = parts.path + parts.query
    if _ENTITY not in asked or "{" in parts.netloc + asked.replace(_ENTITY, ""):
        raise ValueError(f"the entity belongs in path or query; write https://HOST/PATH/{_ENTITY}")
    return url


SourceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
HeaderVariable = Annotated[str, StringConstraints(pattern=rf"^{ENRICH_PREFIX}[A-Z0-9_]+$")]


class EnrichSource(Part):
    """A server that is asked about an entity, and answers in JSON."""

    url: Annotated[
        str, StringConstraints(pattern=r"^[!-~]+$", max_length=2_000), AfterValidator(_check_url)
    ] = Field(description="Its https:// address, with {entity} in path or query")
    timeout_s: float = Field(1, gt=0, le=10, description="Seconds until the whole answer has arrived")
    on_failure: Literal["omit", "fail"] = Field(
        "omit", description="`omit` leaves its answer out, `fail` answers 502"
    )
    headers: dict[HeaderName, HeaderVariable] = Field(
        default_factory=dict,
        description="Headers; each value is the name of an environment variable of the API, "
        f"{ENRICH_PREFIX}…, so that no credential is published",
    )
    cache_s: float = Field(300, gt=0, le=86_400, description="Seconds that an answer is kept")
    cache_entries: int = Field(1_000, ge=0, le=100_000, description="Maximum answers that are kept")


class Serve(Part):
    """The index of each day, from which the API answers; `serve: {}` takes the defaults.

    All of it is published with the index. A change of the numbers applies to the days that are computed after
    it; a change of `enrich` makes the indexes stale, and nothing else.
    """

    max_items: int = Field(
        MAX_ITEMS, ge=1, le=100_000, description="Maximum items of one request to classify"
    )
    refresh_s: float = Field(
        30, ge=1, le=86_400, description="Seconds after which a newly published day is answered from"
    )
    enrich: dict[SourceName, EnrichSource] = Field(
        default_factory=dict,
        max_length=16,
        description="Servers whose answers are added to those about an entity, by the name of the answer",
    )
