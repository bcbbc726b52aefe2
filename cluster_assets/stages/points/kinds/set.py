"""The kind `set`: the distinct values of an entity in a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.statements import bind, column
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape, TokenPlan
from cluster_assets.stages.points.kinds.raw_columns import of_raw

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import Features, TokenLimits

COLUMNS = (Column("tokens", "array(varchar)", "Values that the entities of the point show, sorted"),)


def shape(features: Features) -> Shape:
    """A sorted array of distinct values; an entity whose values are all null is invalid."""
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
        path="points/features/set.sql",
        structure={},
        expressions={"value": of_raw(parse_expression(features.set))},
        reasons=tuple(reasons),
        is_valid=is_valid,
    )


def token_plan(limits: TokenLimits) -> TokenPlan:
    """Return the statements that remove tokens of too few or too many entities of the day."""
    shares = {
        "min_is_share": isinstance(limits.min_df, float),
        "max_is_share": isinstance(limits.max_df, float),
    }
    return TokenPlan(
        frequencies=bind(
            "points/features/frequencies.sql",
            structure=shares,
            values={"min_df": limits.min_df, "max_df": limits.max_df},
        ),
        vocabulary=bind("points/features/vocabulary.sql"),
        limited=bind("points/features/limited.sql"),
    )
