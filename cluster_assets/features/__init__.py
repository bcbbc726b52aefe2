"""Feature kinds: from a day's raw rows to weighted points.

A new kind is a module with a function `shape(features) -> Shape` and an SQL file, and a row in `_SHAPES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.expressions import parse_expression
from cluster_assets.features import embedding, geo, mixed, scales, set, text, vector  # noqa: A004  # named as in the YAML
from cluster_assets.features.days import day_predicate
from cluster_assets.features.histograms import histograms_of
from cluster_assets.features.plans import FeaturePlan, Shape, summary_of
from cluster_assets.features.raw_columns import needed_columns, of_raw
from cluster_assets.metrics.plans import Comparison, Part
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlglot.expressions as exp

    from cluster_assets.domain.partitions import Day
    from cluster_assets.domain.tables import Column
    from cluster_assets.pipeline_spec import Features, PipelineSpec
    from cluster_assets.ports import Statement

__all__ = [
    "FeaturePlan",
    "columns_of",
    "comparison_of",
    "day_predicate",
    "needed_columns",
    "plan",
    "source_counts",
]

_SHAPES: dict[str, Callable[[Features], Shape]] = {
    "set": set.shape,
    "vector": vector.shape,
    "geo": geo.shape,
    "embedding": embedding.shape,
    "text": text.shape,
    "mixed": mixed.shape,
}


def columns_of(features: Features) -> tuple[Column, ...]:
    """The feature columns of the table `points`."""
    return _SHAPES[features.kind](features).columns


def comparison_of(spec: PipelineSpec) -> Comparison:
    """What is compared with what in a pipeline, and when two points are near."""
    parts = spec.features.mixed or {}
    return Comparison(
        kind=spec.features.kind,
        metric=spec.near.metric,
        threshold=spec.near.threshold,
        columns=columns_of(spec.features),
        parts=tuple(Part(name, feature.kind, feature.weight) for name, feature in parts.items()),
    )


def plan(spec: PipelineSpec, day: Day, schema: Mapping[str, str]) -> FeaturePlan:
    """The statements that make the points of a day.

    Args:
        spec: The pipeline.
        day: The day.
        schema: Athena types of the source's columns by name.

    Raises:
        SourceSchemaError: The time or partition column is of a type that tells no day.
    """
    shape = _SHAPES[spec.features.kind](spec.features)
    names = tuple(f'"{column.name}"' for column in shape.columns)  # a feature may be called "order"
    is_of_day = of_raw(_is_of_day(spec, day, schema))
    entity = of_raw(parse_expression(spec.entity))
    valid = {"is_valid": shape.is_valid}
    scale = scales.scale_plan(spec.features, shape)
    measured = shape.reasons if scale is None else scales.measured_reasons(shape)
    return FeaturePlan(
        columns=shape.columns,
        files=bind("raw/files.sql", expressions={"is_of_day": is_of_day, "entity": entity}),
        counts=bind("raw/counts.sql", expressions={"is_of_day": is_of_day, "entity": entity}),
        features=bind(
            shape.path,
            structure=shape.structure,
            expressions={"is_of_day": is_of_day, "entity": entity, **shape.expressions},
        ),
        tokens=set.token_plan(spec.features.tokens) if spec.features.tokens else None,
        summary=summary_of(measured),
        scale=scale,
        reasons={reason.name: reason.words for reason in shape.reasons},
        histograms=histograms_of(spec.features, shape, day),
        points=bind(
            "points/points.sql",
            structure={"columns": names, "types": tuple(column.type for column in shape.columns)},
            expressions=valid,
        ),
        members=bind("members/members.sql", structure={"columns": names}, expressions=valid),
    )


def source_counts(spec: PipelineSpec, day: Day, schema: Mapping[str, str]) -> Statement:
    """The statement that counts rows and entities of a day in its source; it reads `raw`.

    Raises:
        SourceSchemaError: The time or partition column is of a type that tells no day.
    """
    expressions = {
        "is_of_day": of_raw(_is_of_day(spec, day, schema)),
        "entity": of_raw(parse_expression(spec.entity)),
    }
    return bind("checks/source.sql", expressions=expressions)


def _is_of_day(spec: PipelineSpec, day: Day, schema: Mapping[str, str]) -> exp.Expr:
    name = spec.raw.time_column or spec.raw.partition_column or ""
    predicate = day_predicate(spec.raw, schema[name], day)
    return predicate.and_(parse_expression(spec.raw.where)) if spec.raw.where else predicate
