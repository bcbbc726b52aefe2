"""Kinds of values in a column of texts, and the type that holds all of them exactly."""

from __future__ import annotations

from enum import IntFlag

from cluster_assets.domain.column_types import ONLY_NULLS
from cluster_assets.domain.text_files import Use

_EXACT = 1 << 53  # a double holds all whole numbers up to here


class Kind(IntFlag):
    """Kind of a text; a column has the kinds of all its values.

    Attributes:
        WHOLE: A whole number that both bigint and double hold.
        LARGE: A whole number that bigint holds and double rounds.
        HUGE: A whole number that neither holds.
        FRACTION: Another number, as a double reads it: a fraction, with an exponent, NaN.
        ODD: A number that is printed in another way than it is written, such as `007`; set in addition.
        BOOLEAN: true or false.
        DATE: An ISO date.
        TIME: An ISO date and time without an offset.
        ZONED: An ISO date and time with an offset.
        LIST: A JSON array.
        TEXT: Anything else.
        OBJECT: A text that begins as a JSON object does; set in addition, while a JSON file is scanned.
    """

    WHOLE = 1
    LARGE = 2
    HUGE = 4
    FRACTION = 8
    ODD = 16
    BOOLEAN = 32
    DATE = 64
    TIME = 128
    ZONED = 256
    LIST = 512
    TEXT = 1024
    OBJECT = 2048


NO_VALUE = Kind(0)
_WHOLE = Kind.WHOLE | Kind.LARGE
_DOUBLE = Kind.WHOLE | Kind.FRACTION
_NUMBERS = _WHOLE | _DOUBLE | Kind.HUGE | Kind.ODD
# What is printed as it was written.
_PLAIN = _WHOLE | Kind.DATE
_NATURAL = (
    (_WHOLE, "bigint"),
    (_DOUBLE, "double"),
    (Kind.BOOLEAN, "boolean"),
    (Kind.DATE, "date"),
    (Kind.DATE | Kind.TIME, "timestamp"),
    (Kind.DATE | Kind.TIME | Kind.ZONED, "timestamp with time zone"),
)
_NUMERIC = ((_WHOLE | Kind.ODD, "bigint"), (_DOUBLE | Kind.ODD, "double"))
_NUMBER = r"\s*[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))\s*"
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([ T]([01][0-9]|2[0-3]):[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6}0*)?)?(Z| UTC|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


def kind_of(value: str) -> str:
    """Return the DuckDB expression for the kinds of a text; 0 for null.

    Frequent spellings come first: a value that prints as it was written needs no pattern.

    Args:
        value: A DuckDB expression of type VARCHAR.
    """
    whole = f"TRY_CAST({value} AS BIGINT)"
    moment = f"CAST(TRY_CAST({value} AS TIMESTAMP) AS VARCHAR)"
    return f"""CASE
    WHEN {value} IS NULL THEN 0
    WHEN CAST({whole} AS VARCHAR) = {value} THEN {_whole_kind(whole)}
    WHEN {value}[5] = '-' AND {moment} = rtrim(replace({value}, 'T', ' '), 'Z')
        THEN CASE WHEN suffix({value}, 'Z') THEN {Kind.ZONED:d} ELSE {Kind.TIME:d} END
    WHEN regexp_full_match({value}, '{_NUMBER}') THEN {_number_kind(value)}
    WHEN regexp_full_match({value}, '{_TIME}') THEN {_time_kind(value)}
    WHEN lower({value}) IN ('true', 'false') THEN {Kind.BOOLEAN:d}
    ELSE {Kind.TEXT:d} END"""


def _whole_kind(whole: str) -> str:
    is_exact = f"{whole} BETWEEN -{_EXACT} AND {_EXACT} OR CAST(CAST({whole} AS DOUBLE) AS HUGEINT) = {whole}"
    return f"CASE WHEN {is_exact} THEN {Kind.WHOLE:d} ELSE {Kind.LARGE:d} END"


def _number_kind(value: str) -> str:
    """Return the kinds of a number; digits with leading zeros, signs or blanks are a whole number."""
    whole, double = f"TRY_CAST({value} AS BIGINT)", f"TRY_CAST({value} AS DOUBLE)"
    is_odd = f"regexp_full_match({value}, '\\s*([+].*|-?0[0-9].*|-0|.*\\s)') OR {value}[1] IN (' ', chr(9))"
    return f"""CASE
        WHEN regexp_full_match({value}, '\\s*[+-]?[0-9]+\\s*') THEN CASE
            WHEN {whole} IS NOT NULL THEN {Kind.ODD:d} | {_whole_kind(whole)}
            WHEN TRY_CAST({double} AS HUGEINT) = TRY_CAST({value} AS HUGEINT) THEN {Kind.FRACTION:d}
            ELSE {Kind.HUGE:d} END
        WHEN isinf({double}) AND NOT contains(lower({value}), 'inf') THEN {Kind.TEXT:d}
        WHEN {is_odd} THEN {Kind.FRACTION | Kind.ODD:d}
        ELSE {Kind.FRACTION:d} END"""


def _time_kind(value: str) -> str:
    zoned = f"regexp_matches({value}, '(Z|UTC|[+-][0-9:]+)$')"
    return f"""CASE
        WHEN strlen({value}) = 10
            THEN CASE WHEN TRY_CAST({value} AS DATE) IS NULL THEN {Kind.TEXT:d} ELSE {Kind.DATE:d} END
        WHEN TRY_CAST({value} AS TIMESTAMPTZ) IS NULL THEN {Kind.TEXT:d}
        WHEN {zoned} THEN {Kind.ZONED:d}
        ELSE {Kind.TIME:d} END"""


def type_of(kinds: Kind, use: Use) -> str | None:
    """Return the Athena type that holds all values for a use; None if there is none.

    >>> type_of(Kind.WHOLE | Kind.FRACTION, Use.NUMBER), type_of(Kind.LARGE | Kind.FRACTION, Use.NUMBER)
    ('double', None)
    >>> type_of(Kind.WHOLE | Kind.ODD, Use.NUMBER), type_of(Kind.WHOLE | Kind.ODD, Use.VALUE)
    ('bigint', 'varchar')
    """
    if use & Use.TEXT and not use & (Use.NUMBER | Use.VALUE):
        return "varchar"
    if not kinds:
        return ONLY_NULLS
    if use & Use.NUMBER and use & Use.TEXT:
        return "bigint" if kinds in _WHOLE and not use & Use.ORDERED else None
    if use & Use.NUMBER:
        return next((name for allowed, name in _NUMERIC if kinds in allowed), None)
    if use & Use.TEXT and (use & Use.ORDERED or kinds not in _PLAIN):
        return "varchar"
    return next((name for allowed, name in _NATURAL if kinds in allowed), "varchar")


def misfits(kinds: Kind, use: Use) -> Kind:
    """Return the kinds that prevent a column from being read as numbers.

    >>> misfits(Kind.WHOLE | Kind.TEXT, Use.NUMBER), misfits(Kind.LARGE | Kind.FRACTION, Use.NUMBER)
    (<Kind.TEXT: 1024>, <Kind.LARGE: 2>)
    """
    if use & Use.TEXT and kinds in _NUMBERS:
        return kinds & ~_WHOLE
    return kinds & ~_NUMBERS or kinds & Kind.HUGE or kinds & Kind.LARGE
