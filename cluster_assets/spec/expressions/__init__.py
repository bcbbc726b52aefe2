"""SQL expressions in a pipeline's YAML: parsed, checked against an allow-list, never inserted as text.

Text is parsed in the Athena (Trino) dialect and kept as a syntax tree: no string is ever put into a query.
Anything that `nodes` does not list is refused, because functions that depend on the row order, the clock or
chance would break the guarantee that the same day gives the same bytes.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokenizer_core import TokenType

from cluster_assets.spec.expressions.nodes import AGGREGATES, PLAIN_NAME, core_of, is_aggregate, problems_of
from cluster_assets.spec.expressions.printed import parse_again, reads_of_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot.tokenizer_core import Token

DIALECT = "athena"
_PRINTED = ("athena", "trino", "duckdb")
_LONGEST = 8_192  # characters; Athena takes 262,144 bytes for the whole query
_DEEPEST = 120  # levels of nesting, far below the recursion limit
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BACKTICK = "`"
_TABLE = re.compile(r"[A-Za-z0-9_][\w-]{0,127}(\.[A-Za-z0-9_][\w-]{0,127}){0,2}", re.ASCII)


def check_row_expression(text: str) -> str:
    """Check an expression over the columns of one row, such as `entity` or `features.set`.

    Raises:
        ValueError: It is not such an expression, or it aggregates; the message says what to write instead.
    """
    tree = parse_expression(text)
    _refuse_aggregates(tree, "the expression is evaluated for each row; remove the aggregate")
    if not columns_of(tree):
        raise ValueError(f"{_short(text)} names no column, so every row would have the same value")
    return text


def time_tree(text: str) -> exp.Expr:
    """Parse `raw.time_column`: an expression if it has a parenthesis, quotes or `||`, else a column name.

    >>> time_tree("sold at").sql(), time_tree("from_unixtime(t)").sql("athena")
    ('"sold at"', 'FROM_UNIXTIME("t")')

    Raises:
        ValueError: It is not an expression over the columns of one row.
    """
    if not any(mark in text for mark in "(\"'|"):
        return exp.column(text, quoted=True)
    try:
        tree = parse_expression(check_row_expression(text))
    except ValueError as error:
        raise ValueError(f"{error}; a column name with such characters needs double quotes") from error
    if isinstance(tree, exp.Anonymous) and tree.name.lower() == "at_timezone":
        return exp.AtTimeZone(this=tree.expressions[0], zone=tree.expressions[1])
    return tree


def check_aggregate(text: str) -> str:
    """Check an expression over all rows of an entity, such as a dimension of `features.vector`.

    Raises:
        ValueError: A column is outside an aggregate, or the text is not an expression.
    """
    tree = parse_expression(text)
    for column in tree.find_all(exp.Column):
        if not any(is_aggregate(parent) for parent in _ancestors(column)):
            name = column.name if PLAIN_NAME.fullmatch(column.name) else column.sql(DIALECT)
            raise ValueError(f"{name} is not an aggregate: an entity may have many rows; write avg({name})")
    if not any(is_aggregate(node) for node in tree.walk()):
        raise ValueError(f"{_short(text)} has no aggregate; write for example avg(x), max(x) or count(*)")
    for node in tree.find_all(*AGGREGATES):
        outer = (core_of(parent) for parent in _ancestors(node))
        if any(type(core) in AGGREGATES and core is not node for core in outer):
            raise ValueError(f"{_short(text)} puts an aggregate inside another one; use one level")
    return text


def check_predicate(text: str) -> str:
    """Check a condition on one row, `raw.where`.

    Raises:
        ValueError: It is not an expression over one row.
    """
    tree = parse_expression(text)
    _refuse_aggregates(tree, "a condition is evaluated for each row; remove the aggregate")
    return text


def check_table_name(text: str) -> str:
    """Check the name of a table: `table`, `schema.table` or `catalog.schema.table`.

    Raises:
        ValueError: It has other characters, or more than three parts.
    """
    if not _TABLE.fullmatch(text):
        raise ValueError(
            f"{_short(text)} is not a table name; write schema.table in letters, digits, _ and -"
        )
    return text


_PLAIN_TYPES = {
    "varchar": "varchar", "string": "varchar", "char": "varchar", "integer": "integer", "int": "integer",
    "bigint": "bigint", "smallint": "smallint", "tinyint": "tinyint", "double": "double", "real": "real",
    "float": "real", "boolean": "boolean", "date": "date", "timestamp": "timestamp", "varbinary": "varbinary",
    "timestamp with time zone": "timestamp with time zone",
}  # fmt: skip


def check_type(text: str) -> str:
    """Check an Athena type and return its canonical spelling: lower case, without length or precision.

    >>> check_type("ARRAY(Varchar(10))"), check_type("decimal(10, 2)"), check_type("array<string>")
    ('array(varchar)', 'decimal(10,2)', 'array(varchar)')

    Raises:
        ValueError: A column may not have this type.
    """
    name = " ".join(text.lower().split())
    if match := re.fullmatch(r"array ?[(<] ?(.{1,200}?) ?[)>]", name):
        return f"array({check_type(match[1])})"
    if match := re.fullmatch(r"decimal ?\( ?(\d{1,2}) ?(?:, ?(\d{1,2}) ?)?\)", name):
        precision, scale = int(match[1]), int(match[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return f"decimal({precision},{scale})"
    name = re.sub(r"^(varchar|char|timestamp) ?\( ?\d{1,10} ?\)", r"\1", name)
    if name not in _PLAIN_TYPES:
        known = ", ".join(sorted({*_PLAIN_TYPES.values(), "decimal(p,s)", "array(type)"}))
        raise ValueError(f"{_short(text)} is not a column type; use one of {known}")
    return _PLAIN_TYPES[name]


def parse_expression(text: str) -> exp.Expr:
    """Parse one expression and check every node against the allow-list.

    `any_value(x)` becomes `min(x)`, so that the result does not depend on the order of the rows. Numbers with
    a fraction become DOUBLE, and averages are computed over DOUBLE: Trino reads `0.1` as a DECIMAL and rounds
    the average of decimals to their scale.

    Raises:
        ValueError: The text is not an expression, or it contains something that is not allowed.
    """
    return _parsed(text).copy()


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> exp.Expr:
    try:
        tree = _prepared(_checked(text))
        _check_printed(tree, text)
    except ValueError:
        raise
    except Exception as error:  # with a wrong number of arguments, sqlglot may raise any error
        raise ValueError(
            f"{_short(text)} is not an SQL expression: check the number and kinds of its functions' arguments"
        ) from error
    return tree


def _checked(text: str) -> exp.Paren:
    _check_text(text)
    trees = _parse(text)
    if len(trees) != 1 or trees[0] is None:
        raise ValueError(f"{_short(text)} is not one SQL expression; remove the semicolon")
    root = exp.Paren(this=trees[0])  # give the root a parent too, so that it can be replaced
    for node in list(root.walk()):
        if node is not root:
            _check_node(node, text)
    columns = {column.name for column in root.find_all(exp.Column)}
    for token in _tokens(text):
        if token.token_type is TokenType.IDENTIFIER and token.text not in columns:
            raise ValueError(
                f'"{token.text}" in {_short(text)} is quoted, but is not a column; remove the quotes'
            )
    return root


def _prepared(root: exp.Paren) -> exp.Expr:
    for column in root.find_all(exp.Column):
        column.this.set("quoted", True)  # quotes make $$ or "time" a name in every dialect
    for literal in list(root.find_all(exp.Literal)):
        if not literal.is_string and not literal.name.isdigit():
            literal.replace(exp.cast(exp.Literal.string(literal.name), exp.DType.DOUBLE))
    for anything in list(root.find_all(exp.AnyValue)):
        anything.replace(exp.Min(this=anything.this.copy()))
    for average in list(root.find_all(exp.Avg)):
        value = average.this.expressions[0] if isinstance(average.this, exp.Distinct) else average.this
        value.replace(exp.cast(value.copy(), exp.DType.DOUBLE))
    tree: exp.Expr = root.this.pop()
    return tree


def _check_printed(tree: exp.Expr, text: str) -> None:
    """Refuse an expression whose printed SQL reads more than its tree does."""
    reads = reads_of_tree(tree)
    for dialect in _PRINTED:
        # A function that the dialect lacks fails later, in the engine.
        line = tree.sql(dialect, unsupported_level=ErrorLevel.IGNORE, comments=False)
        printed = parse_again(line, dialect, reads)
        if dialect != "duckdb":  # whose text holds functions that no expression may name
            root = exp.Paren(this=printed)
            for node in printed.walk():
                _check_node(node, text)
            root.this.pop()


def columns_of(tree: exp.Expr) -> tuple[str, ...]:
    """Return the columns that an expression reads, each once, in order of appearance."""
    return tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column, bfs=False)))


def split_expressions(text: str) -> list[str]:
    """Split `avg(a), least(b, 1)` at its outer commas.

    Raises:
        ValueError: The text cannot be read as SQL tokens, or a part is empty.
    """
    _check_text(text)
    parts, start, depth = [], 0, 0
    for token in _tokens(text):
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if token.token_type is TokenType.COMMA and depth == 0:
            parts.append(text[start : token.start])
            start = token.end + 1
    parts = [part.strip() for part in [*parts, text[start:]]]
    if not all(parts):
        raise ValueError(f"{_short(text)} has an empty part between commas")
    return parts


_OPENING = (TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE)
_CLOSING = (TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE)


def _check_text(text: str) -> None:
    if not text.strip():
        raise ValueError("the expression is empty")
    if len(text) > _LONGEST:
        raise ValueError(f"the expression has {len(text)} characters; the limit is {_LONGEST}")
    if _CONTROL.search(text):
        raise ValueError(f"{_short(text)} contains a control character; remove it")
    depth = deepest = 0
    for token in _tokens(text):
        if token.comments:
            raise ValueError(f"{_short(text)} contains a comment (-- or /* */); remove it")
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError(f"the expression is nested {deepest} levels deep; the limit is {_DEEPEST}")


def _tokens(text: str) -> list[Token]:
    try:
        tokens = sqlglot.tokenize(text, read=DIALECT)
    except SqlglotError as error:
        raise ValueError(f"{_short(text)} is not SQL: {_first_line(error)}") from error
    if not tokens:
        raise ValueError(f"{_short(text)} contains only blanks or a comment")
    return tokens


def _parse(text: str) -> list[exp.Expr | None]:
    if _BACKTICK in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        raise ValueError(f'{_short(text)} quotes a name with backticks; use double quotes: "name"')
    try:
        return list(sqlglot.parse(text, read=DIALECT))
    except (SqlglotError, RecursionError) as error:
        raise ValueError(f"{_short(text)} is not an SQL expression: {_first_line(error)}") from error


def _check_node(node: exp.Expr, text: str) -> None:
    problem = next(problems_of(node), None)
    if problem is not None:
        shown = _short(node.sql(DIALECT, comments=False))
        raise ValueError(
            f"{shown} {problem}" if shown == _short(text) else f"{shown} in {_short(text)} {problem}"
        )
    if isinstance(node, exp.DataType) and not isinstance(node.parent, exp.DataType):
        check_type(node.sql(DIALECT))


def _refuse_aggregates(tree: exp.Expr, why: str) -> None:
    for node in tree.walk():
        if is_aggregate(node):
            raise ValueError(f"{node.sql(DIALECT)} is an aggregate; {why}")


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent is not None:
        node = node.parent
        yield node


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else flat[:77] + "...")


def _first_line(error: Exception) -> str:
    """Return the first line of a parser message, without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error) or type(error).__name__).splitlines()[0].strip()
