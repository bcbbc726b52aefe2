"""The kind `set`: the distinct values an entity shows in a day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column
from cluster_assets.expressions import parse_expression
from cluster_assets.features.plans import Reason, Shape
from cluster_assets.features.raw_columns import of_raw
from cluster_assets.sql_files import column

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features

COLUMNS = (Column("tokens", "array(varchar)"),)


def shape(features: Features) -> Shape:
    """One sorted array of distinct values; an entity whose values are all null has none and is invalid."""
    assert features.set is not None  # noqa: S101  # the registry calls the module of the given kind
    is_empty = column("tokens").is_(exp.null())
    return Shape(
        columns=COLUMNS,
        path="features/set.sql",
        structure={},
        expressions={"value": of_raw(parse_expression(features.set))},
        reasons=(Reason("is_empty", "an empty set (all values are null)", is_empty),),
        is_valid=is_empty.not_(),
    )
