"""The kind `mixed`: several named features, each with its own distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.statements import column, literal
from cluster_assets.domain.tables import Column
from cluster_assets.spec.columns import feature_texts
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape
from cluster_assets.stages.points.kinds.raw_columns import of_raw
from cluster_assets.stages.points.kinds.text import LONGEST, fits
from cluster_assets.stages.points.kinds.vector import LARGEST, number_reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.spec.features import MixedFeature
    from cluster_assets.spec.pipeline import Features

_TYPES = {"number": "double", "category": "varchar", "set": "array(varchar)", "text": "varchar"}


def shape(features: Features) -> Shape:
    """One column per feature, two for a position; an entity is valid if all its features are."""
    assert features.mixed is not None  # noqa: S101  # the registry calls the module of the given kind
    columns = columns_of(features.mixed)
    texts = feature_texts(features)
    return Shape(
        columns=columns,
        path="points/features/mixed.sql",
        structure={"columns": tuple((one.name, one.type) for one in columns)},
        expressions={f"value{k}": of_raw(parse_expression(text)) for k, text in enumerate(texts)},
        reasons=tuple(
            Reason(f"{reason.name}_{k}", f"{name}: {reason.words}", reason.condition)
            for k, (name, feature) in enumerate(features.mixed.items())
            for reason in _reasons(name, feature)
        ),
        is_valid=exp.and_(*(part for name, one in features.mixed.items() for part in _conditions(name, one))),
    )


def columns_of(features: Mapping[str, MixedFeature]) -> tuple[Column, ...]:
    """Return the columns of the features in order."""
    return tuple(
        Column(
            one,
            "double" if feature.kind == "geo" else _TYPES[feature.kind],
            f"Feature {name} ({feature.kind})",
        )
        for name, feature in features.items()
        for one in feature.columns_of(name)
    )


def _reasons(name: str, feature: MixedFeature) -> Iterator[Reason]:
    """Yield the reasons why a feature may have no distance, in the order in which they must be tested."""
    values = [column(one) for one in feature.columns_of(name)]
    if feature.kind in ("number", "geo"):
        yield from number_reasons(values)
    if feature.kind in ("category", "text"):
        yield Reason("is_null", "null", values[0].is_(exp.null()))
    if feature.kind == "set":
        yield Reason("is_empty", "an empty set (all values are null)", values[0].is_(exp.null()))
    words = {
        "number": (f"beyond {LARGEST:g}",),
        "geo": ("latitude outside -90..90", "longitude outside -180..180"),
        "text": (f"longer than {LONGEST:,} characters",),
    }
    for k, said in enumerate(words.get(feature.kind, ())):
        yield Reason(f"is_outside{k}", said, list(_conditions(name, feature))[k].not_())


def _conditions(name: str, feature: MixedFeature) -> Iterator[exp.Expr]:
    """Yield the condition that each column of a valid feature meets; false or null for NaN and null."""
    values = [column(one) for one in feature.columns_of(name)]
    limits = {"number": (LARGEST,), "geo": (90.0, 180.0)}.get(feature.kind)
    for value, limit in zip(values, limits or (None,), strict=True):
        if limit is not None:
            yield value.between(literal(-limit), literal(limit))
        elif feature.kind == "text":
            yield fits(value)
        else:
            yield value.is_(exp.null()).not_()
