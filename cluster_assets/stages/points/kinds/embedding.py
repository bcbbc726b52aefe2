"""The kind `embedding`: an array of numbers, of the same length for all entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.statements import column
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import DIALECT, parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape
from cluster_assets.stages.points.kinds.raw_columns import of_raw
from cluster_assets.stages.points.kinds.vector import LARGEST

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import Features

COLUMNS = (Column("embedding", "array(double)", "Array of the entities of the point"),)
_LARGEST = f"CAST('{LARGEST!r}' AS DOUBLE)"
_HOLDS_NAN = "cardinality(filter(embedding, x -> is_nan(x))) > 0"
_IS_HUGE = f"cardinality(filter(embedding, x -> abs(x) > {_LARGEST})) > 0"
_IS_SMALL = f"cardinality(filter(embedding, x -> NOT abs(x) <= {_LARGEST} OR is_nan(x))) = 0"


def shape(features: Features) -> Shape:
    """An array of finite doubles within ±1e150 with the day's most common length; zero vectors are valid.

    If an entity has several embeddings, the aggregate decides; `any_value` and `min` take the
    lexicographically smallest one.
    """
    assert features.embedding is not None  # noqa: S101  # the registry calls the module of the given kind
    embedding = column("embedding")
    is_null, is_empty = embedding.is_(exp.null()), exp.ArraySize(this=embedding.copy()).eq(0)
    return Shape(
        columns=COLUMNS,
        path="points/features/embedding.sql",
        structure={},
        expressions={"embedding": of_raw(_without_nulls(parse_expression(features.embedding)))},
        reasons=(
            Reason("is_null", "null", is_null),
            Reason("is_empty", "empty, or of another length than most of the day's", is_empty),
            Reason("is_nan", "holding null or NaN", _condition(_HOLDS_NAN)),
            Reason("is_huge", "holding a number that is infinite or beyond 1e150", _condition(_IS_HUGE)),
        ),
        # Also false for NaN: comparisons with NaN are false in Trino, and DuckDB sorts it above all numbers.
        is_valid=exp.and_(is_null.not_(), is_empty.not_(), _condition(_IS_SMALL)),
    )


def _condition(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read=DIALECT)


def _without_nulls(tree: exp.Expr) -> exp.Expr:
    """Replace null elements of compared arrays by NaN, because Trino cannot compare nulls."""
    for aggregate in list(tree.find_all(exp.Min, exp.Max)):
        array = exp.cast(aggregate.this.copy(), "ARRAY(DOUBLE)", dialect=DIALECT)
        filled = _condition("transform(embedding, x -> coalesce(x, CAST('NaN' AS DOUBLE)))")
        filled.set("this", array)
        aggregate.set("this", filled)
    return tree
