"""Errors as Athena words them."""

from __future__ import annotations

import re

import duckdb

USER, SYSTEM = 2, 1
_SPLIT = "HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split"
_WORDS = (
    (
        re.compile(r"Could not convert string '(?:no whole number: )?(.*)' to (\w+)", re.DOTALL),
        "INVALID_CAST_ARGUMENT: Cannot cast '{0}' to {1}",
    ),
    (
        re.compile(r'Referenced column "([^"]+)"|does not have a column named "([^"]+)"'),
        "COLUMN_NOT_FOUND: line 1:8: Column '{0}' cannot be resolved",
    ),
    (
        re.compile(r"Function with name (\S+)"),
        "FUNCTION_NOT_FOUND: line 1:8: Function '{0}' not registered",
    ),
)
_CODES: tuple[tuple[tuple[type[duckdb.Error], ...], str], ...] = (
    ((duckdb.OutOfRangeException,), "NUMERIC_VALUE_OUT_OF_RANGE"),
    ((duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException), "SYNTAX_ERROR: line 1:1"),
    ((duckdb.IOException, duckdb.InvalidInputException), _SPLIT),
)


class RequestError(Exception):
    """A call is refused: HTTP 400 with a code."""

    def __init__(self, code: str, message: str, athena_code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.athena_code = athena_code
        self.status = status


class StatementError(Exception):
    """A query fails after it was accepted."""

    def __init__(self, reason: str, *, category: int = USER, retryable: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.category = category
        self.retryable = retryable


class CancelledError(Exception):
    """A query was stopped."""


def of_duckdb(error: duckdb.Error, mirror: str) -> StatementError:
    """What Athena would say; paths of the mirror become addresses again."""
    text = str(error).replace(mirror, "s3:/")
    first = text.strip().splitlines()[0]
    for pattern, words in _WORDS:
        if found := pattern.search(text):
            return StatementError(words.format(*(part for part in found.groups() if part is not None)))
    for kinds, code in _CODES:
        if isinstance(error, kinds) and (code != _SPLIT or "s3://" in text):
            return StatementError(f"{code}: {first}")
    return StatementError(f"GENERIC_USER_ERROR: {first}")
