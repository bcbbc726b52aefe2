"""Which columns of the raw rows a pipeline reads, and how they are named in a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.expressions import columns_of, parse_expression

if TYPE_CHECKING:
    from cluster_assets.feature_spec import MixedFeature
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
    if features.text is not None:
        return (features.text,)
    if features.mixed is not None:
        return tuple(text for feature in features.mixed.values() for text in mixed_texts(feature))
    if features.embedding is not None:
        return (features.embedding,)
    return tuple(features.vector or ())


def mixed_texts(feature: MixedFeature) -> tuple[str, ...]:
    """The expression of each column of one of several features: two for a place, else one."""
    if feature.geo is not None:
        return feature.geo.latitude, feature.geo.longitude
    given = (feature.number, feature.category, feature.set, feature.text)
    return tuple(text for text in given if text is not None)


def needed_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """Every column of the source that a statement reads, each once, in order of appearance."""
    texts = [spec.entity, *feature_texts(spec.features), *([spec.raw.where] if spec.raw.where else [])]
    names = [name for text in texts for name in columns_of(parse_expression(text))]
    day = spec.raw.time_column or spec.raw.partition_column
    return tuple(dict.fromkeys([*names, *([day] if day else [])]))
