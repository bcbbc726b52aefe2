"""From a bound Athena tree to the text DuckDB runs: tables become relations, silent differences go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.duckdb_differences import DIFFERENCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.ports import Statement

_NAMES = {"is_finite": "isfinite", "is_infinite": "isinf", "codepoint": "ord", "hamming_distance": "hamming"}


def duckdb_text(statement: Statement, relations: Mapping[str, exp.Expr]) -> str:
    """The statement in DuckDB's dialect, reading from the given FROM items.

    Args:
        statement: A bound query in the Athena dialect.
        relations: For each table name a table function or subquery, as DuckDB nodes.

    Raises:
        EngineError: A table name is unknown, or a part has no equal in DuckDB.
    """
    tree = statement.tree.copy()
    local = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.name in local:
            continue
        if table.db or table.name not in relations:
            raise EngineError(f"{statement.name} reads {table.sql()}, which it was not given")
        source = relations[table.name].copy()
        source.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True)))
        table.replace(source)
    for node in reversed(list(tree.walk())):  # inner ones first: outer ones copy them
        if (change := _CHANGES.get(type(node))) is not None:
            change(node)
    try:
        return tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE, comments=False, copy=False)
    except SqlglotError as error:
        raise EngineError(
            f"{statement.name} has no equal in DuckDB: {error}",
            remedy="use a function that both engines have",
        ) from error


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
    elif name == "bit_count" and [bits.name for bits in node.expressions[1:]] == ["64"]:  # as wide as BIGINT
        node.replace(
            exp.Anonymous(this="BIT_COUNT", expressions=[exp.cast(node.expressions[0], exp.DType.BIGINT)])
        )
    else:
        node.set("this", _NAMES.get(name, node.name))


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
