"""From a bound Athena tree to the text DuckDB runs: tables become relations, silent differences go."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.duckdb_differences import DIFFERENCES
from cluster_assets.engines.duckdb_whole import mark_whole_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.ports import Statement

_NAMES = {"is_finite": "isfinite", "is_infinite": "isinf", "codepoint": "ord", "hamming_distance": "hamming"}


@dataclass(frozen=True, slots=True)
class Reads:
    """What a statement reads: tables that are not its own, and columns of any table; sorted names."""

    tables: tuple[str, ...]
    columns: tuple[str, ...]


def reads_of(statement: Statement) -> Reads:
    """What a statement reads.

    Raises:
        EngineError: As `duckdb_text`.
    """
    return _PIECES.get(statement).reads


def duckdb_text(statement: Statement, relations: Mapping[str, exp.Expr]) -> str:
    """The statement in DuckDB's dialect, reading from the given FROM items.

    Args:
        statement: A bound query in the Athena dialect.
        relations: For each table name a table function or subquery, as DuckDB nodes.

    Raises:
        EngineError: A table name is unknown, or a part has no equal in DuckDB.
    """
    pieces = _PIECES.get(statement)
    if unknown := [name for name in pieces.names if name not in relations]:
        raise EngineError(f"{statement.name} reads {unknown[0]}, which it was not given")
    items = [relations[name].sql("duckdb") for name in pieces.names]
    return "".join(text for pair in zip(pieces.texts, [*items, ""], strict=True) for text in pair)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The text of a statement, cut where its tables stand: `texts[0] names[0] texts[1] …`."""

    tree: exp.Query
    texts: tuple[str, ...]
    names: tuple[str, ...]
    reads: Reads


class _KnownPieces:
    """Texts of the statements seen last: making one takes longer than running it on a small day."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        # By identity: trees are never changed once bound, and comparing two takes as long as a text.
        self._known: OrderedDict[int, _Pieces] = OrderedDict()

    def get(self, statement: Statement) -> _Pieces:
        """The pieces of a statement, made when they are asked for first."""
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
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    mark = f"__{secrets.token_hex(8)}_"
    names: list[str] = []
    for table in list(tree.find_all(exp.Table)):
        if table.name in local:
            continue
        if table.db:
            raise EngineError(f"{statement.name} reads {table.sql()}, which it was not given")
        alias = exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True))
        table.replace(exp.Table(this=exp.to_identifier(f"{mark}{len(names)}_"), alias=alias))
        names.append(table.name)
    for node in reversed(list(tree.walk())):  # inner ones first: outer ones copy them
        if (change := _CHANGES.get(type(node))) is not None:
            change(node)
    try:
        text = tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE, comments=False, copy=False)
    except SqlglotError as error:
        raise EngineError(
            f"{statement.name} has no equal in DuckDB: {error}",
            remedy="use a function that both engines have",
        ) from error
    cut = re.split(rf"{mark}(\d+)_", text)
    read = tuple(names[int(number)] for number in cut[1::2])
    reads = Reads(tuple(sorted(set(names))), tuple(columns))
    return _Pieces(statement.tree, tuple(cut[::2]), read, reads)


def _whole_units(node: exp.Expr) -> None:
    """Trino's date_diff counts whole units; DuckDB's counts borders crossed, its date_sub whole units."""
    unit = exp.Literal.string(str(node.args["unit"].name).lower())
    node.replace(exp.Anonymous(this="DATE_SUB", expressions=[unit, node.expression, node.this]))


def _no_match_is_null(node: exp.Expr) -> None:
    """Trino's regexp_extract gives null where DuckDB's gives an empty text."""
    matches = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    node.replace(exp.Case(ifs=[exp.If(this=matches, true=node.copy())]))


def _no_part_is_null(node: exp.Expr) -> None:
    """Trino's split_part gives null past the last part where DuckDB's gives an empty text."""
    parts = exp.func("LEN", exp.Split(this=node.this.copy(), expression=node.args["delimiter"].copy()))
    there = exp.LTE(this=node.args["part_index"].copy(), expression=parts)
    node.replace(exp.Case(ifs=[exp.If(this=there, true=node.copy())]))


def _drop_finish(node: exp.Expr) -> None:
    """Trino's reduce ends with a function of the state, which sql/ leaves as it is; DuckDB's has none."""
    finish = node.args.get("finish")
    if isinstance(finish, exp.Lambda) and finish.this == finish.expressions[0]:
        node.set("finish", None)


def _rename(node: exp.Expr) -> None:
    name = node.name.lower()
    if name == "bitwise_left_shift":
        value, bits = node.expressions
        node.replace(exp.Paren(this=exp.BitwiseLeftShift(this=exp.paren(value), expression=exp.paren(bits))))
    elif name == "at_timezone":  # as Athena's text has AT TIME ZONE
        moment, zone = node.expressions
        node.replace(exp.AtTimeZone(this=exp.paren(moment), zone=zone))
    elif name == "bit_count" and [bits.name for bits in node.expressions[1:]] == ["64"]:  # as wide as BIGINT
        node.replace(
            exp.Anonymous(this="BIT_COUNT", expressions=[exp.cast(node.expressions[0], exp.DType.BIGINT)])
        )
    elif name == "checksum":  # both are sums of 64-bit hashes, whatever the order of the rows
        hashes = exp.Anonymous(this="HASH", expressions=_hashed(node.expressions[0]))
        node.replace(exp.Sum(this=hashes))
    else:
        node.set("this", _NAMES.get(name, node.name))


def _hashed(value: exp.Expr) -> list[exp.Expr]:
    """What a checksum is of: of a text that is put together, its parts, since DuckDB's hash takes several."""
    if not isinstance(value, exp.Concat):
        return [value]
    parts = [part for part in value.expressions if not isinstance(part, exp.Literal)]
    return [part.this if isinstance(part, exp.Cast) and part.is_type("VARCHAR") else part for part in parts]


def _hexadecimal(node: exp.Expr) -> None:
    """from_base(text, 16) reads hexadecimal digits, the only base statements use."""
    digits = exp.DPipe(this=exp.Literal.string("0x"), expression=exp.paren(node.this))
    node.replace(exp.cast(exp.paren(digits), exp.DType.BIGINT))


_CHANGES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.DateDiff: _whole_units,
    exp.RegexpExtract: _no_match_is_null,
    exp.SplitPart: _no_part_is_null,
    exp.Reduce: _drop_finish,
    exp.Anonymous: _rename,
    exp.FromBase: _hexadecimal,
    **DIFFERENCES,
}
_PIECES = _KnownPieces(256)
