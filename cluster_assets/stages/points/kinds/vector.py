"""The kind `vector`: one aggregate per dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.statements import column, literal
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape
from cluster_assets.stages.points.kinds.raw_columns import of_raw

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import Features

# Keeps squares of differences, and sums of 500 of them, below the largest double.
LARGEST = 1e150
_LARGEST_DOUBLE = 1.7976931348623157e308


def shape(features: Features) -> Shape:
    """Columns x0, x1, … of finite doubles within ±1e150."""
    assert features.vector is not None  # noqa: S101  # the registry calls the module of the given kind
    names = [f"x{k}" for k in range(len(features.vector))]
    values = [column(name) for name in names]
    unit = "" if features.scale.type == "none" and features.weights is None else " (scaled)"
    return Shape(
        columns=tuple(
            Column(name, "double", text + unit) for name, text in zip(names, features.vector, strict=True)
        ),
        path="points/features/vector.sql",
        structure={"dimensions": len(names)},
        expressions={
            name: of_raw(parse_expression(text)) for name, text in zip(names, features.vector, strict=True)
        },
        reasons=(
            *number_reasons(values),
            Reason("is_huge", "beyond 1e150", exp.or_(*(_beyond(value, LARGEST) for value in values))),
        ),
        # Also false for NaN: comparisons with NaN are false in Trino, and DuckDB sorts it above all numbers.
        is_valid=exp.and_(*(value.between(literal(-LARGEST), literal(LARGEST)) for value in values)),
    )


def number_reasons(values: list[exp.Column]) -> tuple[Reason, ...]:
    """Return the reasons why doubles are invalid, in the order in which to test them: null, NaN, infinite."""
    return (
        Reason("is_null", "null", exp.or_(*(value.is_(exp.null()) for value in values))),
        Reason("is_nan", "NaN", exp.or_(*(exp.IsNan(this=value.copy()) for value in values))),
        Reason("is_infinite", "infinite", exp.or_(*(_beyond(value, _LARGEST_DOUBLE) for value in values))),
    )


def _beyond(value: exp.Column, limit: float) -> exp.Expr:
    return exp.Abs(this=value.copy()) > literal(limit)
