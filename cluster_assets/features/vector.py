"""The kind `vector`: one aggregate a dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column
from cluster_assets.expressions import parse_expression
from cluster_assets.features.plans import Reason, Shape
from cluster_assets.features.raw_columns import of_raw
from cluster_assets.sql_files import column, literal

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features

# Squares of differences, and sums of 500 of them, stay below the largest double.
LARGEST = 1e150
_LARGEST_DOUBLE = 1.7976931348623157e308


def shape(features: Features) -> Shape:
    """Columns x0, x1, … of finite doubles within ±1e150."""
    assert features.vector is not None  # noqa: S101  # the registry calls the module of the given kind
    names = [f"x{k}" for k in range(len(features.vector))]
    values = [column(name) for name in names]
    return Shape(
        columns=tuple(Column(name, "double") for name in names),
        path="features/vector.sql",
        structure={"dimensions": len(names)},
        expressions={
            name: of_raw(parse_expression(text)) for name, text in zip(names, features.vector, strict=True)
        },
        reasons=(
            *number_reasons(values),
            Reason("is_huge", "beyond 1e150", exp.or_(*(_beyond(value, LARGEST) for value in values))),
        ),
        # Also false for NaN: Trino compares nothing with it, DuckDB puts it above all numbers.
        is_valid=exp.and_(*(value.between(literal(-LARGEST), literal(LARGEST)) for value in values)),
    )


def number_reasons(values: list[exp.Column]) -> tuple[Reason, ...]:
    """Why doubles are no numbers: null, NaN, infinite, in the order they must be tried."""
    return (
        Reason("is_null", "null", exp.or_(*(value.is_(exp.null()) for value in values))),
        Reason("is_nan", "NaN", exp.or_(*(exp.IsNan(this=value.copy()) for value in values))),
        Reason("is_infinite", "infinite", exp.or_(*(_beyond(value, _LARGEST_DOUBLE) for value in values))),
    )


def _beyond(value: exp.Column, limit: float) -> exp.Expr:
    return exp.Abs(this=value.copy()) > literal(limit)
