"""How the expressions of a pipeline use each source column: as text, as number, or otherwise.

The uses decide the types of CSV and JSON columns. As numbers, `0080` and `80` would be one entity; as texts,
`9` would be greater than `10`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.text_files import NO_USE, Use
from cluster_assets.spec.columns import day_columns
from cluster_assets.spec.expressions import parse_expression, time_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.spec.features import MixedFeature
    from cluster_assets.spec.pipeline import Features, PipelineSpec, Raw

# An expression that returns one of its arguments passes its use on to them.
_GIVES = (exp.Paren, exp.Coalesce, exp.Nullif, exp.If, exp.Case, exp.Filter, exp.AnyValue, exp.Distinct)
_GIVES_BY_ORDER = (exp.Max, exp.Min, exp.Greatest, exp.Least)
_COMPARES = (
    exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In,
)  # fmt: skip
_BY_ORDER = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between)
_OF_TEXT = (
    exp.DPipe, exp.Concat, exp.ConcatWs, exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Reverse, exp.Like,
    exp.StartsWith, exp.Levenshtein, exp.RegexpLike, exp.RegexpExtract, exp.RegexpReplace, exp.Substring,
    exp.Replace, exp.Pad, exp.Split, exp.SplitPart, exp.StrPosition, exp.Translate, exp.JSONExtractScalar,
    exp.StrToTime, exp.ParseDatetime, exp.ParseJSON,
)  # fmt: skip
_OF_NUMBERS = (
    exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Abs, exp.Ceil, exp.Floor, exp.Sqrt, exp.Cbrt,
    exp.Exp, exp.Ln, exp.Log, exp.Pow, exp.Sign, exp.Sin, exp.Cos, exp.Tan, exp.Asin, exp.Acos, exp.Atan,
    exp.Atan2, exp.Sinh, exp.Cosh, exp.Tanh, exp.Degrees, exp.Radians, exp.IsNan, exp.Round, exp.Trunc,
    exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.Avg, exp.Sum, exp.Stddev, exp.StddevPop,
    exp.StddevSamp, exp.Variance, exp.VariancePop, exp.Skewness, exp.Kurtosis, exp.Corr, exp.CovarPop,
    exp.CovarSamp, exp.BitwiseAndAgg, exp.BitwiseOrAgg, exp.UnixToTime,
)  # fmt: skip
_OF_ANY_TYPE = (exp.Count, exp.Is)
_OF_KIND = {"text": Use.TEXT, "category": Use.TEXT, "set": Use.TEXT, "number": Use.NUMBER, "geo": Use.NUMBER}


def column_uses(spec: PipelineSpec) -> dict[str, Use]:
    """Return the uses of every column that the expressions read, and of the columns that define the day."""
    uses: dict[str, Use] = {}
    for text, wanted in _expressions(spec):
        for column in parse_expression(text).find_all(exp.Column):
            uses[column.name] = uses.get(column.name, NO_USE) | _use_of(column, wanted)
    for name, use in _day_uses(spec.raw):
        uses[name] = uses.get(name, NO_USE) | use
    return uses


def _day_uses(raw: Raw) -> Iterator[tuple[str, Use]]:
    """Yield the columns that define the day of a row."""
    tree = None if raw.time_column is None else time_tree(raw.time_column)
    if tree is None or isinstance(tree, exp.Column):
        yield from ((name, NO_USE) for name in day_columns(raw))
        return
    for column in tree.find_all(exp.Column):
        yield column.name, _use_of(column, Use.TEXT if raw.time_format else Use.VALUE)


def _expressions(spec: PipelineSpec) -> Iterator[tuple[str, Use]]:
    """Yield each expression with the use of its value."""
    yield spec.entity, Use.TEXT
    if spec.raw.where:
        yield spec.raw.where, Use.VALUE
    yield from _of_features(spec.features)


def _of_features(features: Features) -> Iterator[tuple[str, Use]]:
    if features.set is not None:
        yield features.set, Use.TEXT
    if features.text is not None:
        yield features.text, Use.TEXT
    if features.geo is not None:
        yield from ((text, Use.NUMBER) for text in (features.geo.latitude, features.geo.longitude))
    if features.embedding is not None:
        yield features.embedding, Use.VALUE
    yield from ((text, Use.NUMBER) for text in features.vector or ())
    for feature in (features.mixed or {}).values():
        yield from _of_mixed(feature)


def _of_mixed(feature: MixedFeature) -> Iterator[tuple[str, Use]]:
    use = _OF_KIND[feature.kind]
    geo = () if feature.geo is None else (feature.geo.latitude, feature.geo.longitude)
    for text in (*geo, feature.number, feature.category, feature.set, feature.text):
        if text is not None:
            yield text, use


def _use_of(column: exp.Expr, wanted: Use) -> Use:
    """Return the use of a column inside an expression whose value has the wanted use."""
    use = _nearest_use(column, wanted)
    return use if use & Use.TEXT else use & ~Use.ORDERED


def _nearest_use(column: exp.Expr, wanted: Use) -> Use:
    node, ordered = column, NO_USE
    while (parent := node.parent) is not None:
        if isinstance(parent, exp.Cast):
            if type(parent) is exp.Cast and isinstance(parent.parent, exp.Avg):
                return Use.NUMBER  # the cast may be the parser's own
            is_text = parent.to.this in (exp.DType.VARCHAR, exp.DType.TEXT)
            return Use.TEXT | ordered if is_text else NO_USE
        if isinstance(parent, _COMPARES) or (isinstance(parent, exp.Case) and node is parent.this):
            return _compared(parent, node) | ordered
        if isinstance(parent, exp.If) and node is parent.this:
            return Use.VALUE
        if isinstance(parent, _GIVES_BY_ORDER):
            ordered = Use.ORDERED
        elif not isinstance(parent, _GIVES):
            return _of_function(parent) | ordered
        node = parent
    return wanted | ordered


def _of_function(node: exp.Expr) -> Use:
    if isinstance(node, _OF_ANY_TYPE):
        return NO_USE
    if isinstance(node, _OF_TEXT):
        return Use.TEXT
    return Use.NUMBER if isinstance(node, _OF_NUMBERS) else Use.VALUE


def _compared(node: exp.Expr, column: exp.Expr) -> Use:
    """A column compared with a text is text; one compared with a number is a number."""
    ordered = Use.ORDERED if isinstance(node, _BY_ORDER) else NO_USE
    for other in node.iter_expressions():
        # The branches of CASE v WHEN 'a' THEN … hold the values that v is compared with.
        core = other.this if isinstance(other, exp.Neg | exp.Paren | exp.If) else other
        if other is column:
            continue
        if isinstance(core, exp.Literal):
            return Use.TEXT | ordered if core.is_string else Use.NUMBER
        if isinstance(core, _OF_TEXT):
            return Use.TEXT | ordered
        if isinstance(core, _OF_NUMBERS):
            return Use.NUMBER
    return Use.VALUE
