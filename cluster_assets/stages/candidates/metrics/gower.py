"""Gower's distance: the weighted mean of one distance between 0 and 1 per feature.

Gower, "A general coefficient of similarity and some of its properties", Biometrics 1971.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics.grids import RELATIVE_SLACK, half_neighbourhood
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Statement
    from cluster_assets.spec.pipeline import MixedKind
    from cluster_assets.stages.candidates.metrics.plans import Comparison

_MOST_AXES = 3  # 13 neighbours; a fourth axis would make 40
_SLACK, _UNDERFLOW = Fraction(1, 2**40), Fraction(1, 2**1060)
TOKENS = scratch_table(
    "tokens",
    {"feature": "bigint", "point_id": "bigint", "token": "varchar", "position": "bigint", "size": "bigint"},
)


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature with its numbers.

    Attributes:
        k: Its number.
        range: Its number among the numeric features, -1 for others.
    """

    k: int
    name: str
    kind: MixedKind
    weight: float
    range: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a grid.

    Attributes:
        coordinate: Coordinate on the unit sphere, for a geographic feature.
        side: Name of the parameter for the width of a cell.
        width: Its value.
    """

    k: int
    kind: MixedKind
    coordinate: int
    side: str
    width: float


@dataclass(frozen=True, slots=True)
class Route:
    """A key that near pairs share.

    Attributes:
        categories: Features that must be equal.
        axes: Grid axes on which cells must be equal or adjacent.
        tokens: A set feature of which one of the first tokens must be common.
        least_similarity: Lower bound of the similarity of those sets.
    """

    number: int
    categories: tuple[int, ...]
    axes: tuple[Axis, ...]
    tokens: int | None
    least_similarity: float

    @property
    def steps(self) -> tuple[tuple[int, ...], ...]:
        """Steps to the cell itself, first, and to half of its neighbours."""
        return half_neighbourhood(len(self.axes))

    @property
    def similarity(self) -> str:
        """Name of the parameter for `least_similarity`."""
        return f"similarity{self.number}"

    @property
    def has_key(self) -> bool:
        """Whether the route has a key."""
        return bool(self.categories or self.axes) or self.tokens is not None


def plan(comparison: Comparison) -> CandidatePlan:
    """Return a plan that joins on keys that near pairs must share and then tests the exact distance.

    The proof is in `sql/candidates/mixed/candidates.sql`.
    """
    parts = features_of(comparison)
    routes = routes_of(parts, comparison.threshold)
    structure: dict[str, Any] = {"parts": parts, "routes": routes}
    keys = {axis.side: axis.width for route in routes for axis in route.axes}
    keys |= {route.similarity: route.least_similarity for route in routes if route.tokens is not None}
    weights = {f"weight{part.k}": part.weight for part in parts}
    values = {"threshold": comparison.threshold, "total": _total(parts), **weights}
    return CandidatePlan(
        scratch=(*_ranges(parts), *_tokens(parts, routes)),
        candidates=_candidates({**structure, "has_kept": False}, {**keys, **values}),
        fresh=_candidates({**structure, "has_kept": True}, {**keys, **values}),
        comparisons=bind("candidates/mixed/comparisons.sql", structure=structure, values=keys),
    )


def _candidates(structure: Mapping[str, object], values: Mapping[str, float]) -> Statement:
    return bind("candidates/mixed/candidates.sql", structure=structure, values=values)


def features_of(comparison: Comparison) -> tuple[Feature, ...]:
    """Return the features with their numbers."""
    numbers = [part.name for part in comparison.parts if part.kind == "number"]
    return tuple(
        Feature(
            k, part.name, part.kind, part.weight, numbers.index(part.name) if part.name in numbers else -1
        )
        for k, part in enumerate(comparison.parts)
    )


def _total(parts: Sequence[Feature]) -> float:
    total = 0.0
    for part in parts:
        total += part.weight
    return total


def _ranges(parts: Sequence[Feature]) -> tuple[ScratchStep, ...]:
    names = tuple(part.name for part in parts if part.kind == "number")
    columns = {f"{what}{k}": "double" for k in range(len(names)) for what in ("low", "width")}
    contract = scratch_table("ranges", columns)
    return (ScratchStep(contract, ranges_of(names)),) if names else ()


def ranges_of(numbers: Sequence[str]) -> Statement:
    """Return the statement that reads `points` and gives the least value and the range of each number."""
    return bind("candidates/mixed/ranges.sql", structure={"numbers": tuple(numbers)})


def _tokens(parts: Sequence[Feature], routes: Sequence[Route]) -> tuple[ScratchStep, ...]:
    sets = tuple((route.tokens, parts[route.tokens].name) for route in routes if route.tokens is not None)
    return (
        (ScratchStep(TOKENS, bind("candidates/mixed/tokens.sql", structure={"sets": sets})),) if sets else ()
    )


def routes_of(parts: Sequence[Feature], threshold: float) -> tuple[Route, ...]:
    """Return one route of all features that filter, else one per feature, else one without a key."""
    t, total = Fraction(threshold), Fraction(_total(parts))
    bounds = {
        part.k: t * total / Fraction(part.weight) * (1 + _SLACK) + _UNDERFLOW / Fraction(part.weight)
        for part in parts
    }
    rounded = {k: _round_up(bound) for k, bound in bounds.items()}
    filters = [part for part in parts if rounded[part.k] < 1]
    if filters:
        return (_route(0, filters, rounded),)
    one = _round_up(t * (1 + _SLACK) + _UNDERFLOW / min(Fraction(part.weight) for part in parts))
    if one >= 1:
        return (Route(0, (), (), None, 0.0),)
    return tuple(_route(number, [part], {part.k: one}) for number, part in enumerate(parts))


def _route(number: int, parts: Sequence[Feature], bounds: dict[int, float]) -> Route:
    """Return the route for features that differ by at most their bounds, each below 1."""
    sets = sorted((part for part in parts if part.kind == "set"), key=lambda part: bounds[part.k])
    tokens = sets[0].k if sets else None
    most = 1 if sets else _MOST_AXES  # each combination of token and step is a key
    return Route(
        number=number,
        categories=tuple(part.k for part in parts if part.kind == "category"),
        axes=_axes(number, parts, bounds, most),
        tokens=tokens,
        least_similarity=0.0 if tokens is None else _least_similarity(bounds[tokens]),
    )


def _axes(number: int, parts: Sequence[Feature], bounds: dict[int, float], most: int) -> tuple[Axis, ...]:
    """Return the axes with the most cells: three of a geographic feature, or numbers, then text lengths."""
    places = sorted((part for part in parts if part.kind == "geo"), key=lambda part: bounds[part.k])
    lines = [part for part in parts if part.kind in ("number", "text")]
    lines.sort(key=lambda part: (part.kind == "text", bounds[part.k]))
    chosen = [(part, 0) for part in lines[:most]]
    if places and most == _MOST_AXES:
        on_sphere = 1 / max(bounds[places[0].k], 2.0**-40) ** 2
        on_lines = math.prod(1 / max(bounds[part.k], 2.0**-40) for part, _ in chosen if part.kind == "number")
        if on_sphere > on_lines:
            chosen = [(places[0], coordinate) for coordinate in range(_MOST_AXES)]
    return tuple(
        Axis(part.k, part.kind, coordinate, f"side{number}_{k}", _side(part.kind, bounds[part.k]))
        for k, (part, coordinate) in enumerate(chosen)
    )


def _side(kind: MixedKind, bound: float) -> float:
    if kind == "number":
        return bound * RELATIVE_SLACK + 2.0**-40
    if kind == "geo":
        return 2 * math.sin(bound * math.pi / 2) * RELATIVE_SLACK + 2.0**-40
    beyond = min(bound + 2.0**-50, 1 - 2.0**-53)
    return -math.log1p(-beyond) * RELATIVE_SLACK + 2.0**-30


def _least_similarity(bound: float) -> float:
    exact = max(Fraction(0), 1 - Fraction(bound) - Fraction(1, 2**50)) * (1 - _SLACK)
    nearest = float(exact)
    return nearest if Fraction(nearest) <= exact else math.nextafter(nearest, -math.inf)


def _round_up(exact: Fraction) -> float:
    nearest = float(min(exact, Fraction(2)))
    return nearest if Fraction(nearest) >= exact else math.nextafter(nearest, math.inf)
