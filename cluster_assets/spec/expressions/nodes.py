"""The allow-list of expressions: syntax nodes, their arguments, and plain words.

It covers the type of a node, the names of its arguments, and every argument that is not itself a node.
sqlglot prints such arguments (units, types, options) without quotes, so user text in one of them would
become SQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def _table(lines: str) -> dict[type[exp.Expr], frozenset[str]]:
    """Parse lines such as `Cast this to`; commas separate nodes with the same arguments."""
    table: dict[type[exp.Expr], frozenset[str]] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        names, _, arguments = line.partition(":")
        table |= {getattr(exp, name): frozenset(arguments.split()) for name in names.split(", ")}
    return table


_OPERATORS = _table("""
    Column, Paren, Neg, Not, Boolean, DataTypeParam, Where: this
    Identifier: this quoted
    Literal: this is_string
    Null:
    And, Or, Add, Sub, Mul, Mod, EQ, NEQ, LT, LTE, GT, GTE, NullSafeEQ, NullSafeNEQ: this expression
    Is, Escape, Filter: this expression
    Like: this expression negate
    Div: this expression typed safe
    DPipe: this expression safe
    Between: this low high
    In: this expressions
    Distinct: expressions
    Case: this ifs default
    If: this true false
    Bracket: this expressions offset safe
    Cast: this to
    TryCast: this to safe
    DataType: this expressions nested
    Var: this
    Interval: this unit
    AtTimeZone: this zone
    Extract: this expression
    Star:
    Anonymous: this expressions
""")
_SCALARS = _table("""
    Abs, Ceil, Floor, Sqrt, Cbrt, Exp, Ln, Sign, Sin, Cos, Tan, Asin, Acos, Atan, Sinh, Cosh, Tanh: this
    Degrees, Radians, IsNan, Lower, Upper, Length, Reverse: this
    Year, Month, Day, Hour, Minute, Second, Quarter, DayOfWeekIso, DayOfYear, WeekOfYear, Date: this
    UnixToTime: this zone
    TimeToUnix, FromISO8601Timestamp, FromISO8601Date: this
    ArraySize, ArrayDistinct, ArrayMin, ArrayMax: this
    Pi:
    Log, Pow, Atan2, BitwiseAnd, BitwiseOr, BitwiseXor: this expression
    StartsWith, Levenshtein, RegexpLike, Nullif, ArrayContains: this expression
    ArrayToString: this expression null
    Round, Trunc: this decimals
    Greatest, Least: this expressions ignore_nulls
    Coalesce: this expressions
    Trim: this expression position
    Substring: this start length
    Replace: this expression replacement
    Concat, ConcatWs: expressions safe coalesce
    Chr: expressions charset
    Pad: this expression fill_pattern is_left
    Split: this expression limit
    SplitPart: this delimiter part_index
    StrPosition: this substr occurrence
    Translate: this from_ to
    RegexpExtract: this expression group null_if_pos_overflow
    RegexpReplace: this expression replacement
    TimestampTrunc, DateTrunc: this unit
    DateDiff, DateAdd: this expression unit
    StrToTime, TimeToStr, ParseDatetime: this format
    ParseJSON: this
    JSONExtractScalar: this expression scalar_only
    JSONPath: expressions
    JSONPathRoot:
    JSONPathKey, JSONPathSubscript: this
""")
AGGREGATES = _table("""
    Avg, Sum, Min, Max, CountIf, Stddev, StddevPop, StddevSamp, Variance, VariancePop: this
    AnyValue, Skewness, Kurtosis, LogicalAnd, LogicalOr, BitwiseAndAgg, BitwiseOrAgg: this
    Count: this big_int
    Corr, CovarPop, CovarSamp: this expression
""")
_ARGUMENTS = {**_OPERATORS, **_SCALARS, **AGGREGATES}
# Functions of Athena that the parser knows only by name.
_NAMES = frozenset({"is_finite", "is_infinite", "codepoint", "hamming_distance", "bit_count", "at_timezone"})

_UNITS = frozenset({"MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
_FIELDS = (_UNITS - {"MILLISECOND"}) | {
    "DAY_OF_MONTH", "DAY_OF_WEEK", "DOW", "DAY_OF_YEAR", "DOY", "YEAR_OF_WEEK", "YOW",
}  # fmt: skip
_UNITS_OF: dict[tuple[type[exp.Expr], str], frozenset[str]] = {
    (exp.Interval, "unit"): _UNITS, (exp.Extract, "this"): _FIELDS, (exp.TimestampTrunc, "unit"): _UNITS,
    (exp.DateTrunc, "unit"): _UNITS, (exp.DateDiff, "unit"): _UNITS, (exp.DateAdd, "unit"): _UNITS,
}  # fmt: skip
"""SQL words that may come from user text, by the argument that holds them."""
# sqlglot accepts calls without these arguments, but every engine refuses them.
_REQUIRED = (
    *_UNITS_OF,
    (exp.Levenshtein, "expression"),
    (exp.ParseDatetime, "format"),
    (exp.SplitPart, "delimiter"),
    (exp.SplitPart, "part_index"),
)
_TYPES = frozenset({
    exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR, exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT,
    exp.DType.TINYINT, exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.DECIMAL, exp.DType.BOOLEAN,
    exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.VARBINARY, exp.DType.ARRAY,
})  # fmt: skip
_PLAIN: dict[tuple[type[exp.Expr], str], Callable[[object], bool]] = {
    (exp.Identifier, "this"): lambda value: isinstance(value, str),  # printed in quotes, below a column only
    (exp.Literal, "this"): lambda value: isinstance(value, str),
    (exp.Var, "this"): lambda value: isinstance(value, str),  # words: `_UNITS_OF`
    (exp.Anonymous, "this"): lambda value: isinstance(value, str) and value.lower() in _NAMES,
    (exp.DataType, "this"): lambda value: value in _TYPES,
    (exp.Trim, "position"): lambda value: value in ("BOTH", "LEADING", "TRAILING"),
    (exp.Bracket, "offset"): lambda value: value in (0, 1),
    (exp.JSONPathKey, "this"): lambda value: isinstance(value, str),  # printed inside a quoted text
    (exp.JSONPathSubscript, "this"): lambda value: type(value) is int,
}
"""Arguments that are not nodes, besides true and false, and their allowed values."""


def _kinds(names: str) -> tuple[type[exp.Expr], ...]:
    return tuple(getattr(exp, name) for name in names.split())


_REFUSED = (
    (
        _kinds("Query DDL DML Command Exists"),
        "is a statement or subquery; only an expression over the raw columns is allowed",
    ),
    (_kinds("Placeholder Parameter SessionParameter"), "is a placeholder; write the value itself"),
    (_kinds("Window"), "is a window function; use an aggregate, or prepare the column in a view"),
    (
        _kinds("ArrayAgg ArgMax ArgMin GroupConcat ArrayUniqueAgg First Last FirstValue LastValue"),
        "depends on the order of the rows; use min, max or avg",
    ),
    (
        _kinds("Rand Uuid CurrentDate CurrentTime CurrentTimestamp CurrentUser Localtime Localtimestamp"),
        "changes with each call; the same day must give the same result",
    ),
    (
        _kinds("ApproxDistinct ApproxQuantile"),
        "is approximate; use an exact aggregate such as count(distinct x), min, max or avg",
    ),
    (_kinds("Alias"), "gives a name to an expression; remove the name"),
)


def problems_of(node: exp.Expr) -> Iterator[str]:
    """Yield the reasons why an expression may not contain a node at its position, best reason first."""
    for kinds, reason in _REFUSED:
        if isinstance(node, kinds):
            yield reason
    # Compare exact types, because a subclass of an allowed node may print other SQL.
    if type(node) not in _ARGUMENTS:
        yield f"is not allowed in an expression ({type(node).__name__})"
        return
    if isinstance(node, exp.Anonymous) and node.name.lower() not in _NAMES:
        yield "is not an allowed function"
    yield from _misplacements_of(node)
    yield from _arguments_of(node)


def _misplacements_of(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.Column) and node.args.get("table"):
        yield 'names a table; write only the column, in double quotes if its name has a dot ("a.b")'
    if isinstance(node, exp.Identifier) and not (node.quoted or PLAIN_NAME.fullmatch(node.name)):
        yield "is not a plain name; write it in double quotes"
    if isinstance(node, exp.Identifier) and not isinstance(node.parent, exp.Column):
        yield "is a name where no column is allowed"
    if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
        yield "is allowed only in count(*)"
    if isinstance(node, exp.In) and not node.expressions:
        yield "needs a list of values, not a subquery"
    if isinstance(node, exp.Distinct) and (not is_aggregate(node.parent) or len(node.expressions) != 1):
        yield "has a DISTINCT that is not before the only argument of an aggregate"
    if isinstance(node, exp.Filter) and not is_aggregate(node.this):
        yield "filters something that is not an aggregate"
    if isinstance(node, exp.ParseJSON) and not _is_list_cast(node.parent):
        yield "returns a JSON value, which no column can store; write cast(json_parse(x) AS array(varchar))"
    yield from _odd_values_of(node)


def _is_list_cast(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Cast | exp.TryCast) and node.to.this is exp.DType.ARRAY


def _odd_values_of(node: exp.Expr) -> Iterator[str]:
    if isinstance(node, exp.Literal) and not node.is_string and not _NUMBER.fullmatch(node.name):
        yield "is not a number"
    if isinstance(node, exp.Interval) and not _is_amount(node.this):
        yield "needs an integer in quotes, such as interval '1' day"
    if isinstance(node, exp.JSONExtractScalar) and not isinstance(node.expression, exp.JSONPath):
        yield "needs a constant JSON path, such as '$.a.b'"
    if isinstance(node, exp.Split | exp.SplitPart) and _delimiter_of(node) == "":
        yield "needs a delimiter"
    if isinstance(node, exp.DataTypeParam) and not _is_size(node.this):
        yield "is not a valid size of a type"


def _delimiter_of(node: exp.Split | exp.SplitPart) -> str | None:
    delimiter = node.args.get("expression" if isinstance(node, exp.Split) else "delimiter")
    return delimiter.name if isinstance(delimiter, exp.Literal) else None


def _arguments_of(node: exp.Expr) -> Iterator[str]:
    allowed = _ARGUMENTS[type(node)]
    if any(kind is type(node) and not node.args.get(name) for kind, name in _REQUIRED):
        yield "has too few arguments"
    for name, value in node.args.items():
        if value is None or value is False or value == []:
            continue
        if name not in allowed:
            yield f"has an argument that is not allowed ({type(node).__name__}.{name})"
            continue
        words = _UNITS_OF.get((type(node), name))
        for one in value if isinstance(value, list) else [value]:
            if words is not None:
                if not isinstance(one, exp.Var) or one.name.upper() not in words:
                    yield f"has an unknown time unit; write one of {', '.join(sorted(words)).lower()}"
            elif isinstance(one, exp.Var):
                yield f"has the bare word {one.name!r} in place of a value"
            elif not isinstance(one, exp.Expr) and not _is_plain(node, name, one):
                yield f"has an option that is not allowed ({type(node).__name__}.{name})"


def _is_plain(node: exp.Expr, name: str, value: object) -> bool:
    """Whether an argument that is not a node is one of the known values."""
    check = _PLAIN.get((type(node), name))
    return check(value) if check is not None else value is True


def _is_amount(value: object) -> bool:
    return isinstance(value, exp.Literal) and _AMOUNT.fullmatch(value.name) is not None


def _is_size(value: object) -> bool:
    return isinstance(value, exp.Literal) and not value.is_string and value.name.isdigit()


def is_aggregate(node: exp.Expr | None) -> bool:
    """Whether the node is an aggregate, possibly with a FILTER."""
    return node is not None and type(core_of(node)) in AGGREGATES


def core_of(node: exp.Expr) -> exp.Expr:
    """Return the aggregate inside a FILTER; any other node is returned unchanged."""
    return node.this if isinstance(node, exp.Filter) else node
