"""Feature kinds: how a day's raw rows become weighted points.

To add a kind, add a module with a function `shape(features) -> Shape`, an SQL file and a row to `_SHAPES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.spec.columns import needed_columns
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.candidates.metrics.plans import Comparison, Part
from cluster_assets.stages.points.kinds import embedding, geo, mixed, scales, set, text, vector  # noqa: A004  # named as in the YAML
from cluster_assets.stages.points.kinds.days import counted_rows, day_predicate
from cluster_assets.stages.points.kinds.histograms import histograms_of
from cluster_assets.stages.points.kinds.plans import FeaturePlan, Shape, summary_of
from cluster_assets.stages.points.kinds.raw_columns import of_raw
from cluster_assets.stages.points.kinds.values import fitted, is_list, with_whole_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import sqlglot.expressions as exp

    from cluster_assets.backends.ports import Statement
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.tables import Column
    from cluster_assets.spec.pipeline import Features, PipelineSpec

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
    """Return the feature columns of the table `points`."""
    return _SHAPES[features.kind](features).columns


def comparison_of(spec: PipelineSpec) -> Comparison:
    """Return how a pipeline compares points, and when two points are near."""
    parts = spec.features.mixed or {}
    return Comparison(
        kind=spec.features.kind,
        metric=spec.near.metric,
        threshold=spec.near.threshold,
        columns=columns_of(spec.features),
        parts=tuple(Part(name, feature.kind, feature.weight) for name, feature in parts.items()),
    )


def plan(
    spec: PipelineSpec, day: Day, schema: Mapping[str, str], window: Sequence[Day] | None = None
) -> FeaturePlan:
    """Return the statements that compute the points of a day.

    Args:
        spec: The pipeline.
        day: The day.
        window: Days whose rows become features, ascending; the day alone by default.
        schema: Athena types of the source's columns by name.

    Raises:
        SourceSchemaError: The type of the time or partition column cannot hold a day, or a list, row or map
            is used where a single value is required.
    """
    shape = _SHAPES[spec.features.kind](spec.features)
    names = tuple(f'"{column.name}"' for column in shape.columns)  # a feature may be named "order"
    is_of_day = of_raw(_is_of_days(spec, window or [day], schema))
    is_read, one = counted_rows(spec.raw, schema, day)
    counts = {"is_read": of_raw(_is_meant(spec, is_read, schema)), "one": of_raw(one)}
    entity = _entity(spec, schema)
    values, lists = _values(spec, shape, schema)
    valid = {"is_valid": shape.is_valid}
    return FeaturePlan(
        columns=shape.columns,
        files=bind("raw/files.sql", expressions={**counts, "entity": entity}),
        counts=bind("raw/counts.sql", expressions={**counts, "entity": entity}),
        features=bind(
            shape.path,
            structure={**shape.structure, "lists": lists},
            expressions={"is_of_day": is_of_day, "entity": entity, **values},
        ),
        tokens=set.token_plan(spec.features.tokens) if spec.features.tokens else None,
        summary=summary_of(shape.reasons),
        scale=scales.scale_plan(spec.features, shape),
        reasons={reason.name: reason.words for reason in shape.reasons},
        histograms=histograms_of(spec.features, shape, day),
        points=bind(
            "points/points.sql",
            structure={"columns": names, "types": tuple(column.type for column in shape.columns)},
            expressions=valid,
        ),
        members=bind("points/members.sql", structure={"columns": names}, expressions=valid),
    )


def source_counts(spec: PipelineSpec, days: Sequence[Day], schema: Mapping[str, str]) -> Statement:
    """Return the statement that counts the rows and entities of some days; it reads `raw`.

    Raises:
        SourceSchemaError: The type of the time or partition column cannot hold a day.
    """
    expressions = {
        "is_of_day": of_raw(_is_of_days(spec, days, schema)),
        "entity": _entity(spec, schema),
    }
    return bind("checks/source.sql", expressions=expressions)


def _is_of_days(spec: PipelineSpec, days: Sequence[Day], schema: Mapping[str, str]) -> exp.Expr:
    return _is_meant(spec, day_predicate(spec.raw, schema, days), schema)


def _is_meant(spec: PipelineSpec, predicate: exp.Expr, schema: Mapping[str, str]) -> exp.Expr:
    if not spec.raw.where:
        return predicate
    return predicate.and_(with_whole_texts(parse_expression(spec.raw.where), schema))


def _entity(spec: PipelineSpec, schema: Mapping[str, str]) -> exp.Expr:
    return fitted(of_raw(parse_expression(spec.entity)), "varchar", schema, f"entity: {spec.entity}")


def _values(
    spec: PipelineSpec, shape: Shape, schema: Mapping[str, str]
) -> tuple[dict[str, exp.Expr], tuple[int, ...]]:
    """Return the expressions of the features, and the positions of those that give lists of set members."""
    values, lists = {}, []
    for k, (column, (name, tree)) in enumerate(zip(shape.columns, shape.expressions.items(), strict=True)):
        where = f"features.{spec.features.kind}" + ("" if len(shape.columns) == 1 else f", {column.name}")
        values[name] = fitted(tree, column.type, schema, where)
        if column.type == "array(varchar)" and is_list(tree, schema):
            lists.append(k)
    return values, tuple(lists)
