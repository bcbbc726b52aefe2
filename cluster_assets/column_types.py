"""Which types of a source column are one type: those that one reader widens to the other."""

from __future__ import annotations

# What a column without a single value is typed as; it fits every type.
ONLY_NULLS = '"null"'
# Narrow ones first. Parquet says its types, so that only widths may differ.
_STATED = (("tinyint", "smallint", "integer", "bigint"), ("real", "double"))
# CSV and JSON are guessed by the values of each file.
_GUESSED = (("tinyint", "smallint", "integer", "bigint", "double"), ("date", "timestamp"))


def wider(one: str, other: str, *, guessed: bool) -> str | None:
    """The type that holds the values of both, or None.

    >>> wider("bigint", "double", guessed=True), wider("bigint", "double", guessed=False)
    ('double', None)
    """
    if ONLY_NULLS in (one, other):
        return other if one == ONLY_NULLS else one
    if one == other:
        return one
    for family in _GUESSED if guessed else _STATED:
        if one in family and other in family:
            return max(one, other, key=family.index)
    return None
