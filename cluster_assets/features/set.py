"""The kind `set`: the distinct values an entity shows in a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column
from cluster_assets.expressions import parse_expression
from cluster_assets.features.plans import Reason, Shape, TokenPlan
from cluster_assets.features.raw_columns import of_raw
from cluster_assets.sql_files import bind, column

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features, TokenLimits

COLUMNS = (Column("tokens", "array(varchar)"),)


def shape(features: Features) -> Shape:
    """One sorted array of distinct values; an entity whose values are all null has none and is invalid."""
    assert features.set is not None  # noqa: S101  # the registry calls the module of the given kind
    is_empty = column("tokens").is_(exp.null())
    reasons = [Reason("is_empty", "an empty set (all values are null)", is_empty)]
    is_valid: exp.Expr = is_empty.not_()
    if features.tokens is not None:
        size = exp.func("cardinality", column("tokens"), dialect="athena")
        words = "only values outside tokens.min_df..max_df"
        reasons.append(Reason("is_limited", words, size.eq(exp.Literal.number(0))))
        is_valid = is_valid.and_(size.copy() > exp.Literal.number(0))
    return Shape(
        columns=COLUMNS,
        path="features/set.sql",
        structure={},
        expressions={"value": of_raw(parse_expression(features.set))},
        reasons=tuple(reasons),
        is_valid=is_valid,
    )


def token_plan(limits: TokenLimits) -> TokenPlan:
    """The statements that take out tokens that too few or too many entities of the day show."""
    shares = {
        "min_is_share": isinstance(limits.min_df, float),
        "max_is_share": isinstance(limits.max_df, float),
    }
    return TokenPlan(
        frequencies=bind(
            "features/frequencies.sql",
            structure=shares,
            values={"min_df": limits.min_df, "max_df": limits.max_df},
        ),
        vocabulary=bind("features/vocabulary.sql"),
        limited=bind("features/limited.sql"),
    )
