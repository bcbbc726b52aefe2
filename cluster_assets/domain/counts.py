"""Counts in English: 1 file, 2 files, 1,000 entities."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number and its noun, and a verb if both forms are given.

    Args:
        number: The count.
        one: The text after the number 1.
        many: The text after other numbers; by default the plural of `one`.

    >>> counted(1, "file"), counted(1234, "entity"), counted(0, "match")
    ('1 file', '1,234 entities', '0 matches')
    >>> counted(1, "row has", "rows have"), counted(2, "row has", "rows have")
    ('1 row has', '2 rows have')
    """
    return f"{number:,} {one if number == 1 else many or plural(one)}"


def plural(noun: str) -> str:
    """Return the plural of a regular noun.

    >>> plural("day"), plural("query"), plural("box")
    ('days', 'queries', 'boxes')
    """
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"
