"""Tokens that continue a list: where it goes on, in exactly the version of the day that it began with."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from cluster_assets.api.answers import Day
from cluster_assets.api.problems import ProblemError

_CHECK_BYTES = 8
_Number = Annotated[int, Meta(ge=-1, le=2**63 - 1)]


class PageToken(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A position in a list.

    Attributes:
        of: The list.
        pipeline: Name of the pipeline.
        day: The day, `YYYY-MM-DD`.
        version: Version of the day.
        cluster: In `clusters`, the last one of the page; in `members`, the cluster they belong to.
        entity: The last entity of the page.
    """

    of: Literal["clusters", "members"]
    pipeline: str
    day: Day
    version: _Number
    cluster: _Number
    entity: str = ""


def write_token(token: PageToken) -> str:
    """Return the token as text for a query.

    Its check value detects damage. It is no secret: a token opens nothing that its reader may not ask for.
    """
    payload = msgspec.msgpack.encode(token)
    return urlsafe_b64encode(_check(payload) + payload).rstrip(b"=").decode()


def read_token(text: str) -> PageToken:
    """Read a token.

    Raises:
        ProblemError: The text is not a token that `write_token` wrote.
    """
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        payload = data[_CHECK_BYTES:]
        token = msgspec.msgpack.decode(payload, type=PageToken)
    except (ValueError, msgspec.MsgspecError):
        token = None
    # Written again, it must be the same text: base64 has several spellings of the same bytes.
    if token is None or write_token(token) != text:
        raise ProblemError(400, "after: this is not the `next` of an earlier answer", field="after")
    return token


def _check(payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_CHECK_BYTES, person=b"page token").digest()
