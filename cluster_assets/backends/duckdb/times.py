"""Rewrites for time expressions whose results would differ between DuckDB and Trino; see `differences`."""

from __future__ import annotations

import re

import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError

# Joda's letters: the directive for one, two, … of them in a row; the last one for more.
_STRPTIME = {
    "y": ("%Y", "%y", "%Y", "%Y"), "Y": ("%Y", "%y", "%Y", "%Y"), "M": ("%m", "%m", "%b", "%B"),
    "d": ("%d", "%d"), "H": ("%H", "%H"), "h": ("%I", "%I"), "m": ("%M", "%M"), "s": ("%S", "%S"),
    "S": ("%f",), "a": ("%p",), "E": ("%a", "%a", "%a", "%A"), "Z": ("%z", "%z"),
}  # fmt: skip
_PIECES = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|([^A-Za-z']+)")


def at_time_zone(node: exp.Expr) -> None:
    """Interpret a time without zone as UTC, as Athena's sessions do; DuckDB assumes the target zone."""
    node.set("this", exp.cast(exp.paren(node.this.copy()), exp.DType.TIMESTAMPTZ))


def parse_datetime(node: exp.Expr) -> None:
    """Convert parse_datetime; its result always has a zone, even if the text has none."""
    form = node.args["format"]
    if not isinstance(form, exp.Literal):
        raise EngineError("parse_datetime needs a constant format in DuckDB", remedy="use a literal")
    read = exp.StrToTime(this=node.this.copy(), format=exp.Literal.string(in_strptime(form.name)))
    node.replace(exp.cast(read, exp.DType.TIMESTAMPTZ))


def in_strptime(joda: str) -> str:
    """Convert a Joda time format to strptime's.

    >>> in_strptime("dd/MMM/yyyy:HH:mm:ss Z"), in_strptime("yyyyMMdd'T'HHmm")
    ('%d/%b/%Y:%H:%M:%S %z', '%Y%m%dT%H%M')

    Raises:
        EngineError: The format has letters without an equivalent in strptime.
    """
    made = ""
    for piece in _PIECES.finditer(joda):
        quoted, letter, other = piece.groups()
        if letter is None:
            made += (other or (quoted or "'").replace("''", "'")).replace("%", "%%")
            continue
        if letter not in _STRPTIME:
            raise EngineError(
                f"parse_datetime: DuckDB has no equivalent of {piece[0]} in {joda!r}",
                remedy="use date_parse with a MySQL format, or raw.time_format",
            )
        spelled = _STRPTIME[letter]
        made += spelled[min(len(piece[0]), len(spelled)) - 1]
    return made
