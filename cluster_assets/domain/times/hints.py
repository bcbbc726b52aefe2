"""Hints for times that no format reads: expressions that make them readable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cluster_assets.domain.times.formats import ISO_PATTERN
from cluster_assets.domain.times.guesses import formats_of

if TYPE_CHECKING:
    from collections.abc import Callable

# By expression: the same change in Python.
_CHANGES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("upper({0})", str.upper),
    ("regexp_replace(trim({0}), ' +', ' ')", lambda text: re.sub(" +", " ", text.strip(" "))),
    ("replace({0}, ' GMT', 'Z')", lambda text: text.replace(" GMT", "Z")),
)
_MIDNIGHT = re.compile(r"[0-9]([T ])24:00(?::00(?:\.0+)?)?(?![0-9:])")
_SERIAL = re.compile(r"[2-5][0-9]{4}(?:\.[0-9]+)?")  # days since 30 December 1899: 1954 to 2064
_EXCEL = "date_add('day', cast(floor(cast({0} AS double)) AS bigint), date '1899-12-30')"


def hint_of(text: str, column: str) -> str | None:
    """Return how to read a time by an expression; None if none of the known ones helps.

    Args:
        text: A value that no format reads.
        column: The time column, or an expression, in SQL.

    >>> hint_of("2026-03-02 10:00:00 utc", "at"), hint_of("yesterday", "at")
    ('set raw.time_column: upper(at)', None)
    """
    if midnight := _MIDNIGHT.search(text):
        before = midnight[1]
        return (
            "write 24:00 as 00:00 of the next day; if such a row belongs to the day that ends, "
            f"set raw.time_column: replace({column}, '{before}24:', '{before}23:')"
        )
    if _SERIAL.fullmatch(text):
        return f"if it counts days as Excel does, set raw.time_column: {_EXCEL.format(column)}"
    for expression, change in _CHANGES:
        changed = change(text)
        if changed == text:
            continue
        if re.fullmatch(ISO_PATTERN, changed):
            return f"set raw.time_column: {expression.format(column)}"
        if forms := formats_of(changed):
            form = f': "{forms[0]}"' if len(forms) == 1 else f" to one of {', '.join(forms)}"
            return f"set raw.time_column: {expression.format(column)} and raw.time_format{form}"
    return None
