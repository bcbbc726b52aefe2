"""Column types: which of them a reader may widen or cast to another."""

from __future__ import annotations

import re

# The type of a column without any value; it fits every type.
ONLY_NULLS = '"null"'
# pandas writes times with a zone to Parquet with this type.
ZONED_NANOSECONDS = "timestamp(9) with time zone"
# The digits that a decimal has at most in every engine; Parquet allows more.
MOST_DIGITS = 38
_DECIMAL = re.compile(r"decimal\((\d+),")
# From narrow to wide. Parquet declares its types, so only widths may differ.
_STATED = (("tinyint", "smallint", "integer", "bigint"), ("real", "double"))
# For CSV and JSON, the type inferred from all values of a file.
_GUESSED = (
    ("tinyint", "smallint", "integer", "bigint", "double"),
    ("date", "timestamp", "timestamp with time zone"),
)


def wider(one: str, other: str, *, guessed: bool) -> str | None:
    """Return the type that holds the values of both, or None.

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


def is_number(kind: str) -> bool:
    """Whether values of a type are numbers."""
    return kind in _GUESSED[0] or kind == "real" or kind.startswith("decimal(")


def is_too_wide(kind: str) -> bool:
    """Whether a type has decimals with more digits than an engine reads exactly.

    >>> is_too_wide("decimal(38,2)"), is_too_wide("array(decimal(39,2))")
    (False, True)
    """
    return any(int(digits) > MOST_DIGITS for digits in _DECIMAL.findall(kind))


def is_integer(kind: str) -> bool:
    """Whether values of a type are whole numbers of at most 64 bits."""
    return kind in _STATED[0]


def can_cast(kind: str, wanted: str) -> bool:
    """Whether a Parquet column may be read as another type, as far as its values allow.

    >>> can_cast("bigint", "double"), can_cast("double", "varchar"), can_cast("decimal(9,2)", "varchar")
    (True, True, False)
    """
    if is_number(wanted):
        return is_number(kind) or kind == "varchar"
    if wanted == "varchar":  # the decimal 1.50 has several texts
        return kind in ("boolean", "date", *_STATED[0], *_STATED[1])
    return (kind, wanted) in (("date", "timestamp"), (ZONED_NANOSECONDS, "timestamp with time zone"))


def as_read(kind: str, declared: str | None) -> str:
    """Return the type as which a Parquet column is read when the YAML declares one."""
    return declared if declared is not None and can_cast(kind, declared) else kind


def has_same_texts(one: str, other: str) -> bool:
    """Whether equal values of two types have equal texts, as whole numbers do.

    >>> has_same_texts("bigint", "double"), has_same_texts("bigint", "varchar")
    (True, False)
    """
    numbers = (*_STATED[0], *_STATED[1])
    is_whole = [
        kind in numbers or (kind.startswith("decimal(") and kind.endswith(",0)")) for kind in (one, other)
    ]
    return one == other or all(is_whole)


def common_type(one: str, other: str) -> str | None:
    """Return a type that the YAML may declare for both; None if the files themselves must change.

    >>> common_type("bigint", "double"), common_type("integer", "varchar"), common_type("boolean", "date")
    ('double', 'varchar', 'varchar')
    """
    if is_number(one) and is_number(other):
        return "double"
    for wanted in ("timestamp", "timestamp with time zone", "varchar"):
        if all(kind == wanted or can_cast(kind, wanted) for kind in (one, other)):
            return wanted
    return None
