"""Rewrites for expressions whose results would silently differ between DuckDB and Trino.

Types are unknown when a statement is rewritten. DuckDB evaluates `typeof` before the query runs, so a branch
for doubles costs nothing if a column has another type. Casts of columns that certainly contain whole numbers
need no rewrite.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.domain.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGERS = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)
_WHOLE = (
    exp.Floor, exp.Ceil, exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank, exp.ArraySize, exp.Length,
    exp.Boolean, exp.Null,
)  # fmt: skip
_MARK = "is_whole"


def is_whole(node: exp.Expr) -> bool:
    """Whether a value is certainly an integer, or a double that holds one."""
    if isinstance(node, exp.Literal):
        return bool(node.name.lstrip("+-").isdigit())
    if isinstance(node, exp.Cast) and node.to.this in INTEGERS:
        return True
    if isinstance(node, _WHOLE) or node.meta.get(_MARK):
        return True
    values = _values(node)
    return bool(values) and all(is_whole(value) for value in values)


def _values(node: exp.Expr) -> tuple[exp.Expr, ...]:
    """Return the expressions that the value may equal; empty if it may be anything else."""
    if isinstance(node, exp.Case):
        otherwise = node.args.get("default") or exp.null()
        return (*(branch.args["true"] for branch in node.args["ifs"]), otherwise)
    if isinstance(node, exp.Paren | exp.Neg | exp.Alias | exp.Cast | exp.Window):
        return (node.this,)
    if isinstance(node, exp.Least | exp.Greatest | exp.Coalesce | exp.Max | exp.Min):
        return (node.this, *node.expressions)
    return ()


def mark_whole_columns(tree: exp.Query) -> None:
    """Mark columns that read whole-number outputs of WITH, for `is_whole`; must run before any rewrite."""
    outputs: dict[str, set[str]] = {}
    for cte in _in_order(tree):
        if isinstance(cte.this, exp.Select) and not cte.alias_column_names:
            _mark(cte.this, outputs)
            whole = {one.alias_or_name for one in cte.this.expressions if is_whole(one)}
            # CTEs in different places may have the same name: take the intersection.
            outputs[cte.alias] = outputs.get(cte.alias, whole) & whole
        else:
            outputs[cte.alias] = set()
    if isinstance(tree, exp.Select):
        _mark(tree, outputs)


def _in_order(tree: exp.Query) -> list[exp.CTE]:
    """Return the CTEs, inner ones before the query that contains them, and each before its readers."""
    found = []
    with_ = tree.args.get("with_")
    for cte in with_.expressions if with_ is not None else ():
        found += [*_in_order(cte.this), cte]
    return found


def _mark(select: exp.Select, outputs: dict[str, set[str]]) -> None:
    read = [select.args.get("from_"), *select.args.get("joins", ()), *select.args.get("laterals", ())]
    items = [source.this if isinstance(source, exp.From | exp.Join) else source for source in read if source]
    sources = {
        item.alias_or_name: outputs.get(item.name, set())
        for item in items
        if isinstance(item, exp.Table) and not item.alias_column_names
    }
    alone = next(iter(sources), "") if len(items) == 1 else ""
    for column in select.find_all(exp.Column):
        if column.parent_select is select and column.name in sources.get(column.table or alone, ()):
            column.meta[_MARK] = True


_TEXTS = (exp.DType.VARCHAR, exp.DType.TEXT)

# Trino rounds halves away from zero, DuckDB to even; Trino does not cast a text with a fraction.
_TO_INTEGER = """
CASE typeof(:x)
    WHEN 'DOUBLE' THEN {cast}(round(TRY_CAST(:x AS DOUBLE)) AS {type})
    WHEN 'FLOAT' THEN {cast}(round(TRY_CAST(:x AS DOUBLE)) AS {type})
    WHEN 'VARCHAR' THEN {cast}(
        CASE
            WHEN regexp_full_match(CAST(:x AS VARCHAR), '\\s*[+-]?[0-9]+\\s*') THEN CAST(:x AS VARCHAR)
            ELSE '''' || CAST(:x AS VARCHAR) || ''' is not a whole number'
        END AS {type}
    )
    ELSE {cast}(:x AS {type})
END
"""
# NaN is the largest value in DuckDB, and not comparable in Trino.
_NOT_NAN = """
CASE typeof(:x)
    WHEN 'DOUBLE' THEN NOT isnan(TRY_CAST(:x AS DOUBLE))
    WHEN 'FLOAT' THEN NOT isnan(TRY_CAST(:x AS DOUBLE))
    ELSE TRUE
END
"""
_NUMBER_OR_NULL = f"CASE WHEN {_NOT_NAN} THEN :x END"
# DuckDB counts edits of bytes. Texts with few distinct characters are recoded to one byte per character.
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
    elif target.this in _TEXTS and target.expressions:  # DuckDB ignores the length
        length = target.expressions[0].this
        target.set("expressions", [])
        node.replace(exp.func("substr", node.copy(), exp.Literal.number(1), length.copy(), dialect="duckdb"))


def _compared(node: exp.Expr) -> None:
    """Make `>` with a constant false for NaN. Elsewhere a NaN test would slow down every join."""
    left, right = node.this, node.expression
    above, below = (left, right) if isinstance(node, exp.GT | exp.GTE) else (right, left)
    if _is_constant(below) and not _is_constant(above):
        node.replace(exp.paren(exp.and_(node.copy(), _filled(_NOT_NAN, x=above))))


def _is_constant(node: exp.Expr) -> bool:
    return next(node.find_all(exp.Column, exp.AggFunc, exp.Placeholder), None) is None


def _max(node: exp.Expr) -> None:
    """Return the largest number; NaN only if all values are NaN."""
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
    """Return an empty text for a substring from position 0, as Trino does."""
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
        raise EngineError("DuckDB cannot split with a limit", remedy="use split_part")


def _regexp_replace(node: exp.Expr) -> None:
    r"""Convert references to groups: $1 in Trino, \1 in DuckDB."""
    replacement = node.args.get("replacement")
    if not isinstance(replacement, exp.Literal):
        if replacement is not None:
            raise EngineError("regexp_replace needs a constant replacement in DuckDB", remedy="use a literal")
        return
    node.set("replacement", exp.Literal.string(_in_re2(replacement.name)))


def _in_re2(replacement: str) -> str:
    r"""Convert a replacement from Java's syntax to RE2's.

    >>> print(_in_re2(r"$1-$0 \$5"))
    \1-\0 $5

    Raises:
        EngineError: It names a group; RE2 only has numbered groups.
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
    """Number the days of the week from Monday (1) to Sunday (7)."""
    if node.this.name.upper() in ("DOW", "DAY_OF_WEEK"):
        node.set("this", exp.var("ISODOW"))


def _array_distinct(node: exp.Expr) -> None:
    """Keep each value's first occurrence; DuckDB's list_distinct has no order and drops nulls."""
    first = "list_filter(:a, lambda e, i: list_position(:a, e) = i)"
    if isinstance(
        node.this, exp.ArraySort
    ):  # already sorted; searching for each value would take n * n steps
        first = f"CASE WHEN list_count(:a) = len(:a) THEN list_sort(list_distinct(:a)) ELSE {first} END"
    node.replace(_filled(first, a=node.this))


def _array_extreme(node: exp.Expr) -> None:
    """Return null if any value is null."""
    node.replace(_filled("CASE WHEN list_count(:a) = len(:a) THEN :whole END", a=node.this, whole=node))


def _json_scalar(node: exp.Expr) -> None:
    """Return null for an object, an array or invalid JSON."""
    path = exp.Literal.string(node.expression.sql("duckdb").strip("'"))
    node.replace(
        _filled(
            "CASE WHEN json_valid(:s) AND json_type(:s, :path) NOT IN ('ARRAY', 'OBJECT') THEN :whole END",
            s=node.this, path=path, whole=node,
        )
    )  # fmt: skip


def _upper(node: exp.Expr) -> None:
    """Leave a sharp s unchanged; DuckDB converts it to the capital sharp s."""
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
"""The rewrite for each kind of node, inner nodes before outer ones."""


@functools.cache
def _template(text: str) -> exp.Expr:
    tree = sqlglot.parse_one(text, read="duckdb")
    for node in tree.walk():
        node.meta.clear()
    return tree


def _filled(text: str, **parts: exp.Expr) -> exp.Expr:
    """Return a DuckDB expression with its `:names` replaced by trees."""
    tree = exp.Paren(this=_template(text).copy())
    for placeholder in list(tree.find_all(exp.Placeholder)):
        part = parts[placeholder.name].copy()
        placeholder.replace(exp.Paren(this=part) if isinstance(part, exp.Binary | exp.Unary) else part)
    return tree
