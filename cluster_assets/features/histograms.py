"""How the values of a day's features are distributed: small tables that days can be compared by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.domain.partitions import Day
    from cluster_assets.features.plans import Shape
    from cluster_assets.pipeline_spec import Features
    from cluster_assets.ports import Statement

LARGEST_DIMENSIONS = 64
"""Dimensions of a vector that are counted; the others follow too few questions to pay for their rows."""


def histograms_of(features: Features, shape: Shape, day: Day) -> Statement:
    """The statement that fills `HISTOGRAMS` from `features` as they were measured, before any scaling."""
    return bind(
        "histograms/histograms.sql",
        structure={"columns": tuple(column.name for column in shape.columns), **_structure(features, shape)},
        values={"day": day.key},
        expressions={"is_valid": shape.is_measured or shape.is_valid},
    )


def _structure(features: Features, shape: Shape) -> dict[str, object]:
    """Names of the columns by how they are counted."""
    found: dict[str, list[object]] = {
        name: [] for name in ("numbers", "sets", "texts", "categories", "places", "embeddings")
    }
    for how, what in _ways(features, shape):
        found[how].append(what)
    return {how: tuple(columns) for how, columns in found.items()}


def _ways(features: Features, shape: Shape) -> Iterator[tuple[str, object]]:
    names = [column.name for column in shape.columns]
    if features.mixed is not None:
        for name, feature in features.mixed.items():
            ways = {"number": "numbers", "set": "sets", "category": "categories", "text": "texts"}
            if feature.geo is not None:
                yield "places", (name, f"{name}_latitude", f"{name}_longitude")
            else:
                yield ways[feature.kind], name
        return
    if features.kind == "geo":
        yield "places", ("place", *names)
        return
    way = {"vector": "numbers", "set": "sets", "text": "texts", "embedding": "embeddings"}[features.kind]
    yield from ((way, name) for name in names[:LARGEST_DIMENSIONS])
