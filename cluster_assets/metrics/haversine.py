"""Great-circle distance in metres on a sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cluster_assets.metrics.grids import RELATIVE_SLACK, half_neighbourhood, located
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison

MEASURED_ON = ("latitude", "longitude", "cos_latitude")  # radians, and their cosine
EARTH_RADIUS_M = 6_371_008.8  # mean radius of the ellipsoid, IUGG
_ABSOLUTE_SLACK = 2.0**-40  # in radii, 6 micrometres; far above the rounding of coordinates
_WIDEST_ON_FACES = 1 / 8  # radii; beyond, a point would lie on most faces
_EVERY_PAIR = 2.0  # the reduced distance is at most 1, apart from rounding


def plan(comparison: Comparison) -> CandidatePlan:
    """Grid join on the faces of a cube around the Earth, then the exact distance; proof in the SQL file."""
    side = chord(comparison.threshold) * RELATIVE_SLACK + _ABSOLUTE_SLACK
    structure = {"axes": 2, "steps": half_neighbourhood(2)}
    faces = {"has_faces": side < _WIDEST_ON_FACES}
    margin = {"margin": 2 * side} if faces["has_faces"] else {}
    places = bind("located/haversine.sql", structure=faces, values={"side": side, **margin})
    return CandidatePlan(
        scratch=(ScratchStep(located(MEASURED_ON, ("home", "face", "c0", "c1")), places),),
        candidates=bind("candidates/haversine.sql", structure=structure, values=thresholds(comparison)),
        comparisons=bind("comparisons/grid.sql", structure={**structure, "has_faces": True}),
    )


def chord(metres: float) -> float:
    """Straight distance of two points that far apart on the sphere, in radii."""
    return 2 * math.sin(0.5 * (metres / EARTH_RADIUS_M))


def thresholds(comparison: Comparison) -> dict[str, float]:
    """What statements that measure great circles ask for."""
    # As scikit-learn's haversine tree reduces a radius in radians.
    half_chord = math.sin(0.5 * (comparison.threshold / EARTH_RADIUS_M))
    reduced = half_chord * half_chord
    return {
        "threshold": comparison.threshold,
        "diameter": 2 * EARTH_RADIUS_M,
        "reduced_threshold": reduced if reduced < 1 else _EVERY_PAIR,
    }
