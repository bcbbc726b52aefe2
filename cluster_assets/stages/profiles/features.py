"""The statements that fill `cluster_features`, which lists distinguishing features by kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.spec.metrics import EARTH_RADIUS_M
from cluster_assets.stages.points import kinds as features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Statement
    from cluster_assets.backends.statements import Value
    from cluster_assets.spec.features import MixedKind
    from cluster_assets.spec.pipeline import Features, PipelineSpec

_EPSILON = 2.0**-52
_VALUE_KINDS = {"set": "token", "category": "category", "text": "text"}


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature as users know it.

    Attributes:
        name: Its name in the table.
        kind: `embedding`, or a kind of mixed features.
        columns: Its columns in the table `points`.
    """

    name: str
    kind: MixedKind | str
    columns: tuple[str, ...]

    @property
    def column(self) -> str:
        """Its only column."""
        return self.columns[0]


@dataclass(frozen=True, slots=True)
class _Values:
    """A feature whose values are counted, for the Jinja template."""

    kind: str
    column: str
    is_set: bool


@dataclass(frozen=True, slots=True)
class _Place:
    latitude: str
    longitude: str


def features_of(spec: Features) -> tuple[Feature, ...]:
    """Return the features of a pipeline; each dimension of a vector is one, named by its expression."""
    columns = tuple(column.name for column in features.columns_of(spec))
    if spec.vector is not None:
        return tuple(
            Feature(text, "number", (name,)) for text, name in zip(spec.vector, columns, strict=True)
        )
    if spec.mixed is None:
        name = {"set": "token", "geo": "place"}.get(spec.kind, spec.kind)
        return (Feature(name, spec.kind, columns),)
    return tuple(Feature(name, one.kind, one.columns_of(name)) for name, one in spec.mixed.items())


def feature_statements(spec: PipelineSpec) -> Mapping[str, Statement]:
    """Return the statements that fill `cluster_features` by unique name; at least one."""
    found = features_of(spec.features)
    counted = [one for one in found if one.kind in _VALUE_KINDS]
    placed = [one for one in found if one.kind == "geo"]
    numbers = [one for one in found if one.kind in ("number", "embedding")]
    most = spec.profiles.features
    statements = {}
    if counted:
        statements["values"] = _values(counted, most)
    if numbers:
        statements["numbers"] = _numbers(numbers, most)
    if placed:
        statements["places"] = _places(placed)
    return statements


def _values(counted: Sequence[Feature], most: int) -> Statement:
    parts = tuple(_Values(_VALUE_KINDS[one.kind], one.column, one.kind == "set") for one in counted)
    return bind("profiles/values.sql", structure={"parts": parts}, values={"most": most, **_names(counted)})


def _numbers(numbers: Sequence[Feature], most: int) -> Statement:
    structure = {
        "columns": tuple(one.column for one in numbers),
        "is_array": numbers[0].kind == "embedding",
    }
    values: dict[str, Value] = {"most": most, "epsilon": _EPSILON, **_names(numbers)}
    return bind("profiles/numbers.sql", structure=structure, values=values)


def _places(placed: Sequence[Feature]) -> Statement:
    parts = tuple(_Place(*one.columns) for one in placed)
    values: dict[str, Value] = {"diameter": 2 * EARTH_RADIUS_M, **_names(placed)}
    return bind("profiles/places.sql", structure={"parts": parts}, values=values)


def _names(found: Sequence[Feature]) -> dict[str, str]:
    return {f"feature{k}": one.name for k, one in enumerate(found)}
