"""DuckDB SQL from bound Athena trees: tables become relations, and semantic differences are rewritten."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.differences import DIFFERENCES, mark_whole_columns
from cluster_assets.backends.duckdb.times import at_time_zone, parse_datetime
from cluster_assets.backends.sql_base import printed, replace_tables
from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.backends.ports import Statement

_NAMES = {"is_finite": "isfinite", "is_infinite": "isinf", "codepoint": "ord", "hamming_distance": "hamming"}


@dataclass(frozen=True, slots=True)
class Reads:
    """Names that a statement reads, sorted: tables outside its WITH, and columns of any table."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]


def reads_of(statement: Statement) -> Reads:
    """Return the tables and columns that a statement reads.

    Raises:
        EngineError: DuckDB cannot express a part of the statement.
    """
    return _PIECES.get(statement).reads


def duckdb_text(statement: Statement, items: Mapping[str, str]) -> str:
    """Return the statement in DuckDB's dialect, reading from the given FROM items.

    Args:
        statement: A bound query in the Athena dialect.
        items: A table function or subquery for each table name, in DuckDB's dialect.

    Raises:
        EngineError: A table name is unknown, or DuckDB cannot express a part.
    """
    pieces = _PIECES.get(statement)
    if unknown := [name for name in pieces.names if name not in items]:
        raise EngineError(f"{statement.name} reads {unknown[0]}, which it was not given")
    texts = [*(items[name] for name in pieces.names), ""]
    return "".join(text for pair in zip(pieces.texts, texts, strict=True) for text in pair)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The text of a statement, split at its tables: `texts[0] names[0] texts[1] …`."""

    tree: exp.Query
    texts: tuple[str, ...]
    names: tuple[str, ...]
    reads: Reads


class _KnownPieces:
    """A cache of statement texts: generating one takes longer than running it on a small day."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        # By identity: bound trees never change, and comparing two takes as long as generating the text.
        self._known: OrderedDict[int, _Pieces] = OrderedDict()

    def get(self, statement: Statement) -> _Pieces:
        """Return the pieces of a statement, generated on first use."""
        key = id(statement.tree)
        with self._lock:
            if (found := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return found
        made = _cut(statement)
        with self._lock:
            self._known[key] = made
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return made


def _cut(statement: Statement) -> _Pieces:
    tree = statement.tree.copy()
    columns = sorted({column.name for column in tree.find_all(exp.Column)})
    mark_whole_columns(tree)
    mark = f"__{secrets.token_hex(8)}_"
    names: list[str] = []

    def marked(name: str) -> exp.Expr:
        names.append(name)
        return exp.Table(this=exp.to_identifier(f"{mark}{len(names) - 1}_"))

    replace_tables(statement, tree, marked)
    for node in reversed(list(tree.walk())):  # inner nodes first, because outer ones copy them
        if (change := _CHANGES.get(type(node))) is not None:
            change(node)
    text = printed(statement, tree, "duckdb", names)
    cut = re.split(rf"{mark}(\d+)_", text)
    read = tuple(names[int(number)] for number in cut[1::2])
    return _Pieces(statement.tree, tuple(cut[::2]), read, Reads(tuple(sorted(set(names))), tuple(columns)))


def _whole_units(node: exp.Expr) -> None:
    """Use date_sub, which counts whole units like Trino's date_diff; DuckDB's date_diff counts boundaries."""
    unit = exp.Literal.string(str(node.args["unit"].name).lower())
    node.replace(exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this]))


def _no_match_is_null(node: exp.Expr) -> None:
    """Return null if nothing matches; DuckDB's regexp_extract returns an empty text."""
    matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    node.replace(exp.Case(ifs=[exp.If(this=matches, true=node.copy())]))


def _no_part_is_null(node: exp.Expr) -> None:
    """Return null past the last part; DuckDB's split_part returns an empty text."""
    parts = exp.func("LEN", exp.Split(this=node.this.copy(), expression=node.args["delimiter"].copy()))
    there = exp.LTE(this=node.args["part_index"].copy(), expression=parts)
    node.replace(exp.Case(ifs=[exp.If(this=there, true=node.copy())]))


def _drop_finish(node: exp.Expr) -> None:
    """Drop the output function of reduce, which DuckDB lacks, if it is the identity."""
    finish = node.args.get("finish")
    if isinstance(finish, exp.Lambda) and finish.this == finish.expressions[0]:
        node.set("finish", None)


def _rename(node: exp.Expr) -> None:
    name = node.name.lower()
    if name == "bitwise_left_shift":
        value, bits = node.expressions
        node.replace(exp.Paren(this=exp.BitwiseLeftShift(this=exp.paren(value), expression=exp.paren(bits))))
    elif name == "at_timezone":  # the function form of AT TIME ZONE
        moment, zone = node.expressions
        local = exp.AtTimeZone(this=moment, zone=zone)
        node.replace(local)
        at_time_zone(local)
    elif name == "bit_count" and [bits.name for bits in node.expressions[1:]] == ["64"]:  # BIGINT has 64 bits
        node.replace(
            exp.Anonymous(this="BIT_COUNT", expressions=[exp.cast(node.expressions[0], exp.DType.BIGINT)])
        )
    elif name == "checksum":  # both sum 64-bit hashes, independent of the row order
        hashes = exp.Anonymous(this="HASH", expressions=_hashed(node.expressions[0]))
        node.replace(exp.Sum(this=hashes))
    else:
        node.set("this", _NAMES.get(name, node.name))


def _hashed(value: exp.Expr) -> list[exp.Expr]:
    """Return the arguments of DuckDB's hash: it takes several, so a concatenation need not be built."""
    if not isinstance(value, exp.Concat):
        return [value]
    parts = [part for part in value.expressions if not isinstance(part, exp.Literal)]
    return [part.this if isinstance(part, exp.Cast) and part.is_type("VARCHAR") else part for part in parts]


def _hexadecimal(node: exp.Expr) -> None:
    """Rewrite from_base(text, 16) as a cast of hexadecimal digits; statements use no other base."""
    digits = exp.DPipe(this=exp.Literal.string("0x"), expression=exp.paren(node.this))
    node.replace(exp.cast(exp.paren(digits), exp.DType.BIGINT))


_CHANGES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.DateDiff: _whole_units,
    exp.RegexpExtract: _no_match_is_null,
    exp.SplitPart: _no_part_is_null,
    exp.Reduce: _drop_finish,
    exp.Anonymous: _rename,
    exp.FromBase: _hexadecimal,
    exp.AtTimeZone: at_time_zone,
    exp.ParseDatetime: parse_datetime,
    **DIFFERENCES,
}
_PIECES = _KnownPieces(256)
