"""Patterns of file names: `*`, `?`, `[…]` inside a name, `**` for any folders."""

from __future__ import annotations


def can_be_name(part: str) -> bool:
    """Whether a part of a pattern can also be the literal name of a file or folder.

    >>> can_be_name("a[1]"), can_be_name("**")
    (True, False)
    """
    return part not in ("*", "**")
