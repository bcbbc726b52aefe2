"""The same text for a whole number on every engine: `100` for an integer, a real or a double."""

from __future__ import annotations

import functools

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.spec.expressions import DIALECT

FRACTIONS = (exp.DType.DOUBLE, exp.DType.FLOAT)
"""Types whose native text of a whole number is `100.0` on DuckDB and `1.0E2` on Trino."""
# Every whole double below 2^63 is a BIGINT.
_TEXT = (
    "CASE WHEN x = floor(x) AND abs(x) < CAST('9.2e18' AS DOUBLE) "
    "THEN CAST(CAST(floor(x) AS BIGINT) AS VARCHAR) ELSE CAST(x AS VARCHAR) END"
)


def text_of_number(value: exp.Expr) -> exp.Expr:
    """Return the text of a real or double; a number with a fraction keeps the engine's own text."""
    tree = exp.Paren(this=_template(_TEXT).copy())
    for column in list(tree.find_all(exp.Column)):
        column.replace(exp.paren(value.copy()) if isinstance(value, exp.Binary) else value.copy())
    return tree


def texts_of_numbers(values: exp.Expr) -> exp.Expr:
    """Return the texts of a list of reals or doubles."""
    tree = _template(f"transform(v, x -> {_TEXT})").copy()
    tree.set("this", values.copy())
    return tree


@functools.cache
def _template(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read=DIALECT)
