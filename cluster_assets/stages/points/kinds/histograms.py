"""Histograms of a day's features: small tables for comparing days."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.backends.ports import Statement
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import Features
    from cluster_assets.stages.points.kinds.plans import Shape

LARGEST_DIMENSIONS = 64
"""Maximum number of vector dimensions with a histogram; more are rarely worth their rows."""


def histograms_of(features: Features, shape: Shape, day: Day) -> Statement:
    """Return the statement that fills `HISTOGRAMS` from `features` as measured, before scaling."""
    return bind(
        "points/histograms.sql",
        structure={"columns": tuple(column.name for column in shape.columns), **_structure(features, shape)},
        values={"day": day.key},
        expressions={"is_valid": shape.is_valid},
    )


def _structure(features: Features, shape: Shape) -> dict[str, object]:
    """Return the names of the columns, grouped by how they are counted."""
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
                yield "places", (name, *feature.columns_of(name))
            else:
                yield ways[feature.kind], name
        return
    if features.kind == "geo":
        yield "places", ("place", *names)
        return
    way = {"vector": "numbers", "set": "sets", "text": "texts", "embedding": "embeddings"}[features.kind]
    yield from ((way, name) for name in names[:LARGEST_DIMENSIONS])
