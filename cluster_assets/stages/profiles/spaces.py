"""How the worker compares the points of a day, for the events that measure distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cluster_assets.backends.statements import bind
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.profiles.features import features_of
from lambda_worker.contract.profiles import Part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.stages.day.job import DayJob


MEAN_SIZES = "mean_sizes"
"""The metric of profiles that holds `mean_sizes` as JSON, so that the report does not ask again."""


class DayOfPoints(Protocol):
    """A day with its table `points`."""

    @property
    def job(self) -> DayJob:
        """The day."""
        ...

    @property
    def points_relation(self) -> FileRelation:
        """The table `points` as a relation for statements."""
        ...


def space_of(day: DayOfPoints) -> dict[str, Any]:
    """Return the fields of an event that describe the distance; without one in the YAML, the Euclidean."""
    spec = day.job.spec
    return {
        "kind": spec.features.kind,
        "columns": tuple(column.name for column in features.columns_of(spec.features)),
        "metric": "euclidean" if spec.distance is None else spec.distance.metric,
        "parts": _parts(day),
    }


def mean_sizes(day: DayOfPoints) -> dict[str, float]:
    """Return the mean length of the sets, texts and embeddings of a day, by column."""
    lists = tuple(
        (one.column, one.kind == "text")
        for one in features_of(day.job.spec.features)
        if one.kind in ("set", "text", "embedding")
    )
    if not lists:
        return {}
    row = _fetch(day, "profiles/sizes.sql", {"parts": lists})
    return {column: float(row[f"size{k}"]) for k, (column, _) in enumerate(lists)}


def _parts(day: DayOfPoints) -> tuple[Part, ...]:
    mixed = day.job.spec.features.mixed or {}
    numbers = tuple(name for name, one in mixed.items() if one.kind == "number")
    widths: dict[str, float] = {}
    if numbers:
        row = _fetch(day, "profiles/ranges.sql", {"numbers": numbers})
        widths = {name: float(row[f"width{k}"]) for k, name in enumerate(numbers)}
    return tuple(
        Part(name, one.kind, float(one.weight), widths.get(name, 0.0)) for name, one in mixed.items()
    )


def _fetch(day: DayOfPoints, path: str, structure: Mapping[str, object]) -> Mapping[str, Any]:
    statement = bind(path, structure=structure)
    return day.job.sql.fetch(statement, {"points": day.points_relation})[0]
