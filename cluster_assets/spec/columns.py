"""The columns of the source that a pipeline reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.spec.expressions import columns_of, parse_expression, time_tree

if TYPE_CHECKING:
    from cluster_assets.spec.features import MixedFeature
    from cluster_assets.spec.pipeline import Features, PipelineSpec, Raw


def feature_texts(features: Features) -> tuple[str, ...]:
    """Return the expressions of the features."""
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
    """Return the expressions of a mixed feature: two for a place, else one."""
    if feature.geo is not None:
        return feature.geo.latitude, feature.geo.longitude
    given = (feature.number, feature.category, feature.set, feature.text)
    return tuple(text for text in given if text is not None)


def needed_columns(spec: PipelineSpec) -> tuple[str, ...]:
    """Return the source columns that statements read, each once, in order of appearance."""
    texts = [spec.entity, *feature_texts(spec.features), *([spec.raw.where] if spec.raw.where else [])]
    names = [name for text in texts for name in columns_of(parse_expression(text))]
    return tuple(dict.fromkeys([*names, *day_columns(spec.raw)]))


def day_columns(raw: Raw) -> tuple[str, ...]:
    """Return the columns that determine the day of a row."""
    if raw.time_column is not None:
        return columns_of(time_tree(raw.time_column))
    if raw.layout is None or (raw.files is not None and raw.layout.column is None):
        return ()
    return tuple(raw.layout.columns)
