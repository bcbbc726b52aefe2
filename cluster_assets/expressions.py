"""SQL expressions that a pipeline's YAML may hold: parsed, checked against an allow-list, never pasted.

Text is read in the Athena (Trino) dialect and lives on as a syntax tree: no string is ever put into a query.
What is not on the lists below is refused: a function whose answer depends on the order of rows, on the clock
or on chance would break the promise that the same day gives the same bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot.tokenizer_core import Token

DIALECT = "athena"
_LONGEST = 8_192  # characters; Athena takes 262,144 bytes for the whole query
_DEEPEST = 120  # levels of nesting, far below what recursion stands
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BACKTICK = "`"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_TABLE = re.compile(r"[A-Za-z0-9_][\w-]{0,127}(\.[A-Za-z0-9_][\w-]{0,127}){0,2}", re.ASCII)


def _kinds(names: str) -> tuple[type[exp.Expr], ...]:
    return tuple(getattr(exp, name) for name in names.split())


_OPERATORS = _kinds("""
    Column Identifier Literal Boolean Null Paren Neg Not And Or Add Sub Mul Div Mod DPipe EQ NEQ LT LTE GT GTE
    NullSafeEQ NullSafeNEQ Is Between In Like Escape Case If Bracket Cast TryCast DataType DataTypeParam Var
    Interval AtTimeZone Extract
""")
_SCALARS = _kinds("""
    Abs Ceil Floor Round Trunc Sqrt Cbrt Exp Ln Log Pow Sign Greatest Least Sin Cos Tan Asin Acos Atan Atan2
    Sinh Cosh Tanh Degrees Radians Pi IsNan BitwiseAnd BitwiseOr BitwiseXor
    Lower Upper Trim Length Substring Replace Reverse Concat ConcatWs Pad Split SplitPart StrPosition
    StartsWith Chr Translate Levenshtein RegexpLike RegexpExtract RegexpReplace Coalesce Nullif
    Date TimestampTrunc DateTrunc DateDiff DateAdd Year Month Day Hour Minute Second Quarter DayOfWeekIso
    DayOfYear WeekOfYear UnixToTime TimeToUnix StrToTime TimeToStr FromISO8601Timestamp FromISO8601Date
    ArraySize ArrayContains ArrayDistinct ArrayToString ArrayMin ArrayMax
    JSONExtractScalar JSONPath JSONPathPart
""")
_AGGREGATES = _kinds("""
    Avg Sum Min Max Count CountIf Stddev StddevPop StddevSamp Variance VariancePop Corr CovarPop CovarSamp
    AnyValue Skewness Kurtosis LogicalAnd LogicalOr BitwiseAndAgg BitwiseOrAgg
""")
_ALLOWED = (*_OPERATORS, *_SCALARS, *_AGGREGATES, *_kinds("Distinct Filter Where Star Anonymous"))
# Functions of Athena that the parser knows by name only.
_ALLOWED_NAMES = frozenset({"is_finite", "is_infinite", "codepoint", "hamming_distance", "bit_count"})
_REFUSED = (
    (
        _kinds("Query DDL DML Command Exists"),
        "is a statement or subquery; only an expression over the raw columns may stand here",
    ),
    (_kinds("Placeholder Parameter SessionParameter"), "is a placeholder; write the value itself"),
    (_kinds("Window"), "is a window function; use an aggregate, or prepare the column in a view"),
    (
        _kinds("ArrayAgg ArgMax ArgMin GroupConcat ArrayUniqueAgg First Last FirstValue LastValue"),
        "depends on the order of the rows; use min, max or avg",
    ),
    (
        _kinds("Rand Uuid CurrentDate CurrentTime CurrentTimestamp CurrentUser Localtime Localtimestamp"),
        "gives another answer each time; the same day must give the same result",
    ),
    (
        _kinds("ApproxDistinct ApproxQuantile"),
        "is approximate; use an exact aggregate such as count(distinct x), min, max or avg",
    ),
    (_kinds("Alias"), "gives a name to an expression; remove the name"),
)


def check_row_expression(text: str) -> str:
    """Check an expression over the columns of one row, such as `entity` or `features.set`.

    Raises:
        ValueError: It is not one, or it aggregates; the message says what to write instead.
    """
    tree = parse_expression(text)
    _refuse_aggregates(tree, "it is taken from each row by itself; write it without an aggregate")
    if not columns_of(tree):
        raise ValueError(f"{_short(text)} names no column: every row would give the same value")
    return text


def check_aggregate(text: str) -> str:
    """Check an expression over all rows of an entity, such as a dimension of `features.vector`.

    Raises:
        ValueError: A column stands outside an aggregate, or it is no expression.
    """
    tree = parse_expression(text)
    for column in tree.find_all(exp.Column):
        if not any(_is_aggregate(parent) for parent in _ancestors(column)):
            name = column.name if _PLAIN_NAME.fullmatch(column.name) else column.sql(DIALECT)
            raise ValueError(f"{name} is not an aggregate: an entity may have many rows; write avg({name})")
    if not any(_is_aggregate(node) for node in tree.walk()):
        raise ValueError(f"{_short(text)} has no aggregate; write for example avg(x), max(x) or count(*)")
    for node in tree.find_all(*_AGGREGATES):
        outer = (_core(parent) for parent in _ancestors(node))
        if any(isinstance(core, _AGGREGATES) and core is not node for core in outer):
            raise ValueError(f"{_short(text)} puts an aggregate inside another one; use one level")
    return text


def check_predicate(text: str) -> str:
    """Check a condition on one row, `raw.where`.

    Raises:
        ValueError: It is no expression over one row.
    """
    tree = parse_expression(text)
    _refuse_aggregates(tree, "a condition is tested row by row; remove the aggregate")
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
    """Check an Athena type and return its one spelling: lower case, no length, no precision of a timestamp.

    >>> check_type("ARRAY(Varchar(10))"), check_type("decimal(10, 2)"), check_type("array<string>")
    ('array(varchar)', 'decimal(10,2)', 'array(varchar)')

    Raises:
        ValueError: It is no type a column may have.
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
    """Read one expression and check every node of it against the allow-list.

    `any_value(x)` becomes `min(x)`: any value will do, so the least one, whatever the order of the rows.
    Numbers with a fraction become DOUBLE, and averages are taken of DOUBLEs: Trino takes `0.1` for a DECIMAL,
    and rounds the average of decimals to their scale.

    Raises:
        ValueError: It is no expression, or holds something that is refused.
    """
    _check_text(text)
    trees = _parse(text)
    if len(trees) != 1 or trees[0] is None:
        raise ValueError(f"{_short(text)} is not one SQL expression; remove the semicolon")
    root = exp.Paren(this=trees[0])  # a parent for every node, so that the root can be replaced too
    for node in list(root.walk()):
        if node is not root:
            _check_node(node, text)
    for column in root.find_all(exp.Column):
        column.this.set("quoted", True)  # a name like $$ or "time" is nothing else in any dialect
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


def columns_of(tree: exp.Expr) -> tuple[str, ...]:
    """Names of the columns an expression reads, each once, in order of appearance."""
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
        raise ValueError(f"the expression has {len(text)} characters; {_LONGEST} are allowed")
    if _CONTROL.search(text):
        raise ValueError(f"{_short(text)} holds a control character; remove it")
    depth = deepest = 0
    for token in _tokens(text):
        if token.comments:
            raise ValueError(f"{_short(text)} holds a comment (-- or /* */); remove it")
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        deepest = max(deepest, depth)
    if deepest > _DEEPEST:
        raise ValueError(f"the expression nests {deepest} levels deep; {_DEEPEST} are allowed")


def _tokens(text: str) -> list[Token]:
    try:
        tokens = sqlglot.tokenize(text, read=DIALECT)
    except SqlglotError as error:
        raise ValueError(f"{_short(text)} is not SQL: {_first_line(error)}") from error
    if not tokens:
        raise ValueError(f"{_short(text)} holds no expression, only blanks or a comment")
    return tokens


def _parse(text: str) -> list[exp.Expr | None]:
    if _BACKTICK in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        raise ValueError(f'{_short(text)} quotes a name with backticks; use double quotes: "name"')
    try:
        return list(sqlglot.parse(text, read=DIALECT))
    except (SqlglotError, RecursionError) as error:
        raise ValueError(f"{_short(text)} is not an SQL expression: {_first_line(error)}") from error


def _check_node(node: exp.Expr, text: str) -> None:
    problem = next(_problems_of(node), None)
    if problem is None:
        problem = next(_misplacements_of(node), None)
    if problem is not None:
        shown = _short(node.sql(DIALECT, comments=False))
        raise ValueError(
            f"{shown} {problem}" if shown == _short(text) else f"{shown} in {_short(text)} {problem}"
        )
    if isinstance(node, exp.DataType) and not isinstance(node.parent, exp.DataType):
        check_type(node.sql(DIALECT))


def _problems_of(node: exp.Expr) -> Iterator[str]:
    """Why the node may stand in no expression, best reason first."""
    for kinds, reason in _REFUSED:
        if isinstance(node, kinds):
            yield reason
    if not isinstance(node, _ALLOWED):
        yield f"is not allowed in an expression ({type(node).__name__})"
    if isinstance(node, exp.Anonymous) and node.name.lower() not in _ALLOWED_NAMES:
        yield "is a function that is not on the list of allowed ones"


def _misplacements_of(node: exp.Expr) -> Iterator[str]:
    """Why an allowed node may not stand where it does."""
    if isinstance(node, exp.Column) and node.args.get("table"):
        yield 'names a table; write the column alone, in double quotes when its name has a dot ("a.b")'
    if isinstance(node, exp.Identifier) and not node.quoted and not _PLAIN_NAME.fullmatch(node.name):
        yield "is no plain name; write it in double quotes"
    if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
        yield "is allowed in count(*) only"
    if isinstance(node, exp.In) and not node.expressions:
        yield "needs a list of values, not a subquery"
    if isinstance(node, exp.Distinct) and (not _is_aggregate(node.parent) or len(node.expressions) != 1):
        yield "has a distinct that is not before the one argument of an aggregate"
    if isinstance(node, exp.Filter) and not _is_aggregate(node.this):
        yield "filters something that is not an aggregate"
    if isinstance(node, exp.Literal) and not node.is_string and not _NUMBER.fullmatch(node.name):
        yield "is not a number"


def _refuse_aggregates(tree: exp.Expr, why: str) -> None:
    for node in tree.walk():
        if _is_aggregate(node):
            raise ValueError(f"{node.sql(DIALECT)} is an aggregate; {why}")


def _is_aggregate(node: exp.Expr | None) -> bool:
    """Whether the node is an aggregate, or one with its FILTER, whose condition belongs to it."""
    return node is not None and isinstance(_core(node), _AGGREGATES)


def _core(node: exp.Expr) -> exp.Expr:
    """The aggregate that a FILTER narrows; any other node is itself."""
    return node.this if isinstance(node, exp.Filter) else node


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    while node.parent is not None:
        node = node.parent
        yield node


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= 80 else flat[:77] + "...")


def _first_line(error: Exception) -> str:
    """The parser's first line without its terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", str(error) or type(error).__name__).splitlines()[0].strip()
