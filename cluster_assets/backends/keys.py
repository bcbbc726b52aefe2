"""The rule for valid keys, the same for local stores and S3."""

from __future__ import annotations

import re

from cluster_assets.domain.errors import IntegrityError

# S3 allows 1,024 bytes of UTF-8 a key; file systems allow 255 bytes a name.
MAX_KEY_BYTES = 1024
MAX_PART_BYTES = 255
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


def check_key(key: str) -> str:
    """Return a key that names one object below the store's root and nothing else.

    >>> check_key("attackers/points/day=2013-03-03/part-00000.parquet")
    'attackers/points/day=2013-03-03/part-00000.parquet'

    Raises:
        IntegrityError: The key is empty, absolute, too long, or has an empty part, `.`, `..`,
            a backslash, a control character or text that is not UTF-8.
    """
    problem = _problem(key)
    if problem:
        raise IntegrityError(
            f"{key[:200]!r} is not a key of this store: {problem}",
            remedy="recompute the day with --force if a manifest names it; otherwise report a bug",
        )
    return key


def is_key(key: str) -> bool:
    """Whether `check_key` accepts a key."""
    return not _problem(key)


def _problem(key: str) -> str:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if size > MAX_KEY_BYTES:
        return f"it has {size} bytes, more than {MAX_KEY_BYTES}"
    if _FORBIDDEN.search(key):
        return "it has a control character or a backslash"
    for part in key.split("/"):
        if part in ("", ".", ".."):
            return f"it has the part {part!r}"
        if len(part.encode()) > MAX_PART_BYTES:
            return f"a part has more than {MAX_PART_BYTES} bytes"
    return ""
