"""Where DuckDB would silently answer otherwise than Trino: the same meaning in DuckDB's words.

Types are not known when a statement is rewritten. `typeof` is: DuckDB folds it before the query runs, so that
a branch for doubles costs nothing where a column holds something else.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError
from cluster_assets.engines.duckdb_whole import INTEGERS, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXTS = (exp.DType.VARCHAR, exp.DType.TEXT)

# Halves go away from zero in Trino, to the even neighbour in DuckDB; a text with a fraction is no integer.
_TO_INTEGER = """
CASE typeof(:x)
    WHEN 'DOUBLE' THEN {cast}(round(TRY_CAST(:x AS DOUBLE)) AS {type})
    WHEN 'FLOAT' THEN {cast}(round(TRY_CAST(:x AS DOUBLE)) AS {type})
    WHEN 'VARCHAR' THEN {cast}(
        CASE
            WHEN regexp_full_match(CAST(:x AS VARCHAR), '\\s*[+-]?[0-9]+\\s*') THEN CAST(:x AS VARCHAR)
            ELSE '''' || CAST(:x AS VARCHAR) || ''' is no whole number'
        END AS {type}
    )
    ELSE {cast}(:x AS {type})
END
"""
# NaN is above everything in DuckDB, and not comparable in Trino.
_NOT_NAN = """
CASE typeof(:x)
    WHEN 'DOUBLE' THEN NOT isnan(TRY_CAST(:x AS DOUBLE))
    WHEN 'FLOAT' THEN NOT isnan(TRY_CAST(:x AS DOUBLE))
    ELSE TRUE
END
"""
_NUMBER_OR_NULL = f"CASE WHEN {_NOT_NAN} THEN :x END"
# DuckDB counts the edits of bytes. Texts of few different characters are spelled with one byte for each.
_LEVENSHTEIN = """
CASE
    WHEN :a IS NULL OR :b IS NULL THEN NULL
    WHEN strlen(:a) = length(:a) AND strlen(:b) = length(:b) THEN levenshtein(:a, :b)
    WHEN len(list_distinct(string_split(:a || :b, ''))) <= 127
    THEN levenshtein(
        translate(
            :a,
            array_to_string(list_distinct(string_split(:a || :b, '')), ''),
            array_to_string(list_transform(range(1, 128), lambda i: chr(CAST(i AS INTEGER))), '')
        ),
        translate(
            :b,
            array_to_string(list_distinct(string_split(:a || :b, '')), ''),
            array_to_string(list_transform(range(1, 128), lambda i: chr(CAST(i AS INTEGER))), '')
        )
    )
    ELSE list_extract(
        list_reduce(
            list_transform(range(1, length(:a) + 1), lambda i: CAST([unicode(substr(:a, i, 1))] AS BIGINT[])),
            lambda above, char: list_reduce(
                list_transform(range(1, length(:b) + 1), lambda j: CAST([j] AS BIGINT[])),
                lambda line, j: list_append(
                    line,
                    least(
                        list_extract(line, -1) + 1,
                        list_extract(above, list_extract(j, 1) + 1) + 1,
                        list_extract(above, list_extract(j, 1)) + CASE
                            WHEN unicode(substr(:b, list_extract(j, 1), 1)) = list_extract(char, 1)
                            THEN 0 ELSE 1
                        END
                    )
                ),
                CAST([list_extract(above, 1) + 1] AS BIGINT[])
            ),
            CAST(range(0, length(:b) + 1) AS BIGINT[])
        ),
        length(:b) + 1
    )
END
"""


def _cast(node: exp.Expr) -> None:
    target = node.args["to"]
    if target.this in INTEGERS and not is_whole(node.this):
        cast = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
        node.replace(_filled(_TO_INTEGER.format(cast=cast, type=target.sql("duckdb")), x=node.this))
    elif target.this in _TEXTS and target.expressions:  # DuckDB takes no notice of a length
        length = target.expressions[0].this
        target.set("expressions", [])
        node.replace(exp.func("substr", node.copy(), exp.Literal.number(1), length.copy(), dialect="duckdb"))


def _compared(node: exp.Expr) -> None:
    """Above a constant: NaN is not. Elsewhere a test for NaN would cost every join its time."""
    left, right = node.this, node.expression
    above, below = (left, right) if isinstance(node, exp.GT | exp.GTE) else (right, left)
    if _is_constant(below) and not _is_constant(above):
        node.replace(exp.paren(exp.and_(node.copy(), _filled(_NOT_NAN, x=above))))


def _is_constant(node: exp.Expr) -> bool:
    return next(node.find_all(exp.Column, exp.AggFunc, exp.Placeholder), None) is None


def _max(node: exp.Expr) -> None:
    """The largest number; NaN only where there is nothing else."""
    if node.args.get("expressions") or isinstance(node.parent, exp.Window):
        return
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    numbers: exp.Expr = exp.Max(this=_filled(_NUMBER_OR_NULL, x=value))
    outer = node.parent if isinstance(node.parent, exp.Filter) else node
    if outer is not node:
        condition = outer.expression
        numbers = exp.Filter(this=numbers, expression=condition.copy())
    outer.replace(exp.Coalesce(this=numbers, expressions=[outer.copy()]))


def _levenshtein(node: exp.Expr) -> None:
    node.replace(_filled(_LEVENSHTEIN, a=node.this, b=node.expression))


def _substring(node: exp.Expr) -> None:
    """Characters count from 1; what starts at 0 is empty in Trino."""
    start = node.args.get("start")
    if isinstance(start, exp.Literal | exp.Neg) and start.sql() != "0":
        return
    if start is not None:
        node.replace(
            _filled(
                "CASE WHEN :start = 0 THEN left(:s, 0) ELSE :whole END", start=start, s=node.this, whole=node
            )
        )


def _split(node: exp.Expr) -> None:
    if node.args.get("limit") is not None:
        raise EngineError("split with a limit has no equal in DuckDB", remedy="use split_part")


def _regexp_replace(node: exp.Expr) -> None:
    r"""Groups are called $1 in Trino and \1 in DuckDB."""
    replacement = node.args.get("replacement")
    if not isinstance(replacement, exp.Literal):
        if replacement is not None:
            raise EngineError("regexp_replace takes a constant replacement in DuckDB", remedy="write it out")
        return
    node.set("replacement", exp.Literal.string(_in_re2(replacement.name)))


def _in_re2(replacement: str) -> str:
    r"""Java's way of writing a replacement in RE2's way.

    >>> print(_in_re2(r"$1-$0 \$5"))
    \1-\0 $5

    Raises:
        EngineError: It names a group, which RE2 only counts.
    """
    made, characters = [], iter(replacement)
    for character in characters:
        following = next(characters, "") if character in "$\\" else ""
        if character == "$":
            if not following.isdigit():
                raise EngineError(f"regexp_replace: {replacement!r} names a group", remedy="write $1, $2, …")
            made.append("\\" + following)
        elif character == "\\":
            made.append(following.replace("\\", "\\\\"))
        else:
            made.append(character)
    return "".join(made)


def _extract(node: exp.Expr) -> None:
    """Days of the week count from Monday, 1, to Sunday, 7."""
    if node.this.name.upper() in ("DOW", "DAY_OF_WEEK"):
        node.set("this", exp.var("ISODOW"))


def _array_distinct(node: exp.Expr) -> None:
    """Each value where it first stands; DuckDB's list_distinct has no order."""
    node.replace(_filled("list_filter(:a, lambda e, i: list_position(:a, e) = i)", a=node.this))


def _array_extreme(node: exp.Expr) -> None:
    """Null as soon as one value is null."""
    node.replace(_filled("CASE WHEN list_count(:a) = len(:a) THEN :whole END", a=node.this, whole=node))


def _json_scalar(node: exp.Expr) -> None:
    """Null for an object, an array, or a text that is no JSON."""
    path = exp.Literal.string(node.expression.sql("duckdb").strip("'"))
    node.replace(
        _filled(
            "CASE WHEN json_valid(:s) AND json_type(:s, :path) NOT IN ('ARRAY', 'OBJECT') THEN :whole END",
            s=node.this, path=path, whole=node,
        )
    )  # fmt: skip


def _upper(node: exp.Expr) -> None:
    """A sharp s stays one; DuckDB makes the capital of it that no keyboard has."""
    node.replace(_filled("replace(upper(replace(:s, 'ß', chr(57344))), chr(57344), 'ß')", s=node.this))


DIFFERENCES: dict[type[exp.Expr], Callable[[exp.Expr], None]] = {
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.GT: _compared,
    exp.GTE: _compared,
    exp.LT: _compared,
    exp.LTE: _compared,
    exp.Max: _max,
    exp.Levenshtein: _levenshtein,
    exp.Substring: _substring,
    exp.Split: _split,
    exp.RegexpReplace: _regexp_replace,
    exp.Extract: _extract,
    exp.ArrayDistinct: _array_distinct,
    exp.ArrayMin: _array_extreme,
    exp.ArrayMax: _array_extreme,
    exp.JSONExtractScalar: _json_scalar,
    exp.Upper: _upper,
}
"""What to do with a node of each kind, inner nodes before outer ones."""


@functools.cache
def _template(text: str) -> exp.Expr:
    tree = sqlglot.parse_one(text, read="duckdb")
    for node in tree.walk():
        node.meta.clear()
    return tree


def _filled(text: str, **parts: exp.Expr) -> exp.Expr:
    """A DuckDB expression with trees in the place of its `:names`."""
    tree = exp.Paren(this=_template(text).copy())
    for placeholder in list(tree.find_all(exp.Placeholder)):
        part = parts[placeholder.name].copy()
        placeholder.replace(exp.Paren(this=part) if isinstance(part, exp.Binary | exp.Unary) else part)
    return tree
