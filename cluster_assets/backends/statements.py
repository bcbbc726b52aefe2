"""The statements under `sql/`: rendered, parsed, and bound to values and expressions as trees.

A file is one query in the Athena dialect. Jinja controls structure only (how many dimensions, which option);
everything from users or data enters as a literal or as a checked tree.
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from typing import TYPE_CHECKING, Any

import jinja2
import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.ports import Statement
from cluster_assets.project import package_file
from cluster_assets.spec.expressions import DIALECT

if TYPE_CHECKING:
    from collections.abc import Mapping

SQL_ROOT = package_file("sql")
ORDER_SENSITIVE = "-- order-sensitive:"
# Parsing all templates takes a tenth of a second, which every command that knows stages would wait for.
_REFERRED = re.compile(r"""\{%-?\s*(?:include|import|extends|from)\s+["']([^"']+)["']""")

Value = bool | int | float | str | dt.datetime
Shape = tuple[tuple[str, object], ...]
Given = tuple[tuple[str, str, Value], ...]  # names, texts that distinguish 1 from 1.0 and True, and values
_NONE: Mapping[str, Any] = {}


def bind(
    path: str,
    *,
    structure: Mapping[str, object] = _NONE,
    values: Mapping[str, Value] = _NONE,
    expressions: Mapping[str, exp.Expr] = _NONE,
) -> Statement:
    """Return the statement of a file below `sql/` with its parameters bound.

    Args:
        path: `points/points.sql`.
        structure: Jinja variables; values must be hashable.
        values: Literals for placeholders `:name`, typed: a float becomes a DOUBLE of the same bits.
        expressions: Trees for placeholders `:name`; made by `parse_expression` or built from nodes.

    Raises:
        ValueError: A parameter is missing or unused, or a value has no literal. This is a bug of the caller,
            not a user error.
    """
    shape = tuple(sorted(structure.items()))
    given = tuple((name, repr(value), value) for name, value in sorted(values.items()))
    # Without expressions, equal values give the same tree, whose text engines have cached.
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


def texts_of(stage: str) -> dict[str, str]:
    """Return the files of a stage's folder of `sql/` and those they include or import, by path.

    File names that callers pass in `structure` are not resolved; such files are in the same folder.
    """
    waiting = [path.relative_to(SQL_ROOT).as_posix() for path in (SQL_ROOT / stage).rglob("*.*")]
    texts: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (SQL_ROOT / name).read_text(encoding="utf-8")
            waiting += _REFERRED.findall(texts[name])
    return texts


def count_of(statement: Statement) -> Statement:
    """Return the statement that counts the rows of another: one row, `rows BIGINT`."""
    query = statement.tree.copy().subquery("counted")
    count = exp.cast(exp.Count(this=exp.Star()), exp.DType.BIGINT)
    return Statement(f"count of {statement.name}", exp.select(count.as_("rows")).from_(query))


def sources_of(statement: Statement) -> tuple[str, ...]:
    """Return the names of the tables that a statement reads, sorted, without its own WITH names."""
    local = {cte.alias for cte in statement.tree.find_all(exp.CTE)}
    return tuple(sorted({table.name for table in statement.tree.find_all(exp.Table)} - local))


def literal(value: Value) -> exp.Expr:
    """Return a typed literal with the same bits on every engine.

    Raises:
        ValueError: The value is not finite, or its type is not supported.
    """
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int):
        return exp.cast(exp.Literal.string(str(value)), exp.DType.BIGINT)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no SQL literal")
        # repr gives the shortest text that parses to the same double; a bare 0.1 would be a DECIMAL.
        return exp.cast(exp.Literal.string(repr(value)), exp.DType.DOUBLE)
    if isinstance(value, str):
        return exp.Literal.string(value)
    if isinstance(value, dt.datetime):
        return exp.cast(exp.Literal.string(value.isoformat(sep=" ")), exp.DType.TIMESTAMP)
    raise ValueError(f"{value!r} has no SQL literal")


def column(name: str) -> exp.Column:
    """Return a quoted column."""
    return exp.column(name, quoted=True)


def _in_parentheses(tree: exp.Expr) -> exp.Expr:
    """Parenthesize operators, so that the tree can be inserted anywhere."""
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
        node.meta.clear()  # positions in the text; they would make copies much slower
    return text, trees[0]
