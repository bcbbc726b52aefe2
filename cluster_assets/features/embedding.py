"""The kind `embedding`: one array of numbers, all of one length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column
from cluster_assets.expressions import DIALECT, parse_expression
from cluster_assets.features.plans import Reason, Shape
from cluster_assets.features.raw_columns import of_raw
from cluster_assets.features.vector import LARGEST
from cluster_assets.sql_files import column

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features

COLUMNS = (Column("embedding", "array(double)"),)
_LARGEST = f"CAST('{LARGEST!r}' AS DOUBLE)"
_HOLDS_NAN = "cardinality(filter(embedding, x -> is_nan(x))) > 0"
_IS_HUGE = f"cardinality(filter(embedding, x -> abs(x) > {_LARGEST})) > 0"
_IS_SMALL = f"cardinality(filter(embedding, x -> NOT abs(x) <= {_LARGEST} OR is_nan(x))) = 0"


def shape(features: Features) -> Shape:
    """An array of finite doubles within ±1e150, as long as most of the day's; zeros are as good as others.

    An entity with several embeddings has the one its aggregate says; `any_value` and `min` take the least
    one, compared number by number.
    """
    assert features.embedding is not None  # noqa: S101  # the registry calls the module of the given kind
    embedding = column("embedding")
    is_null, is_empty = embedding.is_(exp.null()), exp.ArraySize(this=embedding.copy()).eq(0)
    return Shape(
        columns=COLUMNS,
        path="features/embedding.sql",
        structure={},
        expressions={"embedding": of_raw(_without_nulls(parse_expression(features.embedding)))},
        reasons=(
            Reason("is_null", "null", is_null),
            Reason("is_empty", "empty, or of another length than most of the day's", is_empty),
            Reason("is_nan", "holding null or NaN", _condition(_HOLDS_NAN)),
            Reason("is_huge", "holding a number that is infinite or beyond 1e150", _condition(_IS_HUGE)),
        ),
        # Also false for NaN: Trino compares nothing with it, DuckDB puts it above all numbers.
        is_valid=exp.and_(is_null.not_(), is_empty.not_(), _condition(_IS_SMALL)),
    )


def _condition(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read=DIALECT)


def _without_nulls(tree: exp.Expr) -> exp.Expr:
    """Make NaN of the null elements of arrays that are compared: Trino compares no nulls."""
    for aggregate in list(tree.find_all(exp.Min, exp.Max)):
        array = exp.cast(aggregate.this.copy(), "ARRAY(DOUBLE)", dialect=DIALECT)
        filled = _condition("transform(embedding, x -> coalesce(x, CAST('NaN' AS DOUBLE)))")
        filled.set("this", array)
        aggregate.set("this", filled)
    return tree
