"""Which columns of the raw rows a pipeline reads, and how they are named in a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.expressions import columns_of, parse_expression

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features, PipelineSpec


def of_raw(tree: exp.Expr) -> exp.Expr:
    """Say `raw."name"` for each column, so that no output name of a statement can stand in for it."""
    for column in tree.find_all(exp.Column):
        column.set("table", exp.to_identifier("raw"))
    return tree


def feature_texts(features: Features) -> tuple[str, ...]:
    """The expressions of the given kind."""
    if features.set is not None:
        return (features.set,)
    if features.geo is not None:
        return features.geo.latitude, features.geo.longitude
    return tuple(features.vector or ())


def needed_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """Every column of the source that a statement reads, each once, in order of appearance."""
    texts = [spec.entity, *feature_texts(spec.features), *([spec.raw.where] if spec.raw.where else [])]
    names = [name for text in texts for name in columns_of(parse_expression(text))]
    day = spec.raw.time_column or spec.raw.partition_column
    return tuple(dict.fromkeys([*names, *([day] if day else [])]))
