"""From a bound Athena tree to the text DuckDB runs: tables become relations, silent differences go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError

from cluster_assets.domain.errors import EngineError

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


def _rename(node: exp.Expr) -> None:
    node.set("this", _NAMES.get(node.name.lower(), node.name))


_CHANGES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.DateDiff: _whole_units,
    exp.RegexpExtract: _no_match_is_null,
    exp.SplitPart: _no_part_is_null,
    exp.Anonymous: _rename,
}
