"""The statements under `sql/`: rendered, parsed, and bound to values and expressions as trees.

A file is one query in the Athena dialect. Jinja decides structure only (how many dimensions, which option);
whatever comes from a user or from data enters as a literal or as an already checked tree.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import sqlglot
import sqlglot.expressions as exp

from cluster_assets.expressions import DIALECT
from cluster_assets.ports import Statement

if TYPE_CHECKING:
    from collections.abc import Mapping

SQL_ROOT = Path(__file__).resolve().parent.parent / "sql"
ORDER_SENSITIVE = "-- order-sensitive:"

Value = bool | int | float | str | dt.datetime
Shape = tuple[tuple[str, object], ...]
Given = tuple[tuple[str, str, Value], ...]  # names, texts that tell 1 from 1.0 and True, and values
_NONE: Mapping[str, Any] = {}


def bind(
    path: str,
    *,
    structure: Mapping[str, object] = _NONE,
    values: Mapping[str, Value] = _NONE,
    expressions: Mapping[str, exp.Expr] = _NONE,
) -> Statement:
    """Make a statement of a file below `sql/`.

    Args:
        path: `points/points.sql`.
        structure: What the Jinja text asks for; hashable values.
        values: Literals for placeholders `:name`, typed: a float becomes a DOUBLE of the same bits.
        expressions: Trees for placeholders `:name`; made by `parse_expression` or built from nodes.

    Raises:
        ValueError: A parameter is missing or unused, or a value has no literal. A fault of the caller,
            never of a user.
    """
    shape = tuple(sorted(structure.items()))
    given = tuple((name, repr(value), value) for name, value in sorted(values.items()))
    # Without expressions: the same values, the same tree, of which engines know the text.
    return _bind(path, shape, given, expressions) if expressions else _bound(path, shape, given)


@functools.lru_cache(maxsize=256)
def _bound(path: str, shape: Shape, given: Given) -> Statement:
    return _bind(path, shape, given, _NONE)


def _bind(path: str, shape: Shape, given: Given, expressions: Mapping[str, exp.Expr]) -> Statement:
    text, template = _read(path, shape)
    tree = template.copy()
    literals = {name: literal(value) for name, _, value in given}
    if both := literals.keys() & expressions.keys():
        raise ValueError(f"{path}: {sorted(both)} given both as value and as expression")
    parts = {**literals, **expressions}
    asked = {placeholder.name for placeholder in tree.find_all(exp.Placeholder)}
    if asked != parts.keys():
        missing, unused = sorted(asked - parts.keys()), sorted(parts.keys() - asked)
        raise ValueError(f"{path}: missing parameters {missing}, unused parameters {unused}")
    for placeholder in list(tree.find_all(exp.Placeholder)):
        placeholder.replace(_in_parentheses(parts[placeholder.name].copy()))
    return Statement(path, tree, order_sensitive=ORDER_SENSITIVE in text)


def count_of(statement: Statement) -> Statement:
    """The statement that counts the rows of another one: one row, `rows BIGINT`."""
    query = statement.tree.copy().subquery("counted")
    count = exp.cast(exp.Count(this=exp.Star()), exp.DType.BIGINT)
    return Statement(f"count of {statement.name}", exp.select(count.as_("rows")).from_(query))


def sources_of(statement: Statement) -> tuple[str, ...]:
    """Names of the tables a statement reads, sorted; its own WITH names are not among them."""
    local = {cte.alias for cte in statement.tree.find_all(exp.CTE)}
    return tuple(sorted({table.name for table in statement.tree.find_all(exp.Table)} - local))


def literal(value: Value) -> exp.Expr:
    """A typed literal that means the same bits on every engine.

    Raises:
        ValueError: The value is not finite, or of another type.
    """
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return exp.cast(exp.Literal.string(str(value)), exp.DType.BIGINT)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no SQL literal")
        # repr is the shortest text that reads back to the same double; a bare 0.1 would be a DECIMAL.
        return exp.cast(exp.Literal.string(repr(value)), exp.DType.DOUBLE)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, dt.datetime):
        return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), exp.DType.TIMESTAMP)
    raise ValueError(f"{value!r} has no SQL literal")


def column(name: str) -> exp.Column:
    """A column by its name, quoted."""
    return exp.column(name, quoted=True)


def _in_parentheses(tree: exp.Expr) -> exp.Expr:
    """Keep an operator's operands together wherever the tree is put."""
    return exp.Paren(this=tree) if isinstance(tree, exp.Binary | exp.Unary | exp.Between | exp.In) else tree


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(SQL_ROOT),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701  # SQL is not HTML, and no user text passes through Jinja
    )


@functools.lru_cache(maxsize=256)
def _read(path: str, structure: Shape) -> tuple[str, exp.Query]:
    text = _environment().get_template(path).render(dict(structure))
    trees = sqlglot.parse(text, read=DIALECT)
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        raise ValueError(f"{path} is not exactly one query")
    for node in trees[0].walk():
        node.meta.clear()  # where each node stood in the text; copying it takes most of a copy's time
    return text, trees[0]
