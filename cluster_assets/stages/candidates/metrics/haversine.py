"""Great-circle distance in metres on a sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.spec.metrics import EARTH_RADIUS_M
from cluster_assets.stages.candidates.metrics.grids import RELATIVE_SLACK, half_neighbourhood, located
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from cluster_assets.stages.candidates.metrics.plans import Comparison

MEASURED_ON = ("latitude", "longitude", "cos_latitude")  # radians, and their cosine
_ABSOLUTE_SLACK = 2.0**-40  # in radii, 6 micrometres; far above the rounding of coordinates
_WIDEST_ON_FACES = 1 / 8  # radii; beyond, a point would lie on most faces
_EVERY_PAIR = 2.0  # the reduced distance is at most 1, up to rounding


def plan(comparison: Comparison) -> CandidatePlan:
    """Return a grid join on the faces of a cube around the Earth with the exact test; proof in the SQL."""
    side = chord(comparison.threshold) * RELATIVE_SLACK + _ABSOLUTE_SLACK
    structure = {"axes": 2, "steps": half_neighbourhood(2)}
    faces = {"has_faces": side < _WIDEST_ON_FACES}
    margin = {"margin": 2 * side} if faces["has_faces"] else {}
    places = bind("candidates/grid/located_haversine.sql", structure=faces, values={"side": side, **margin})
    return CandidatePlan(
        scratch=(ScratchStep(located(MEASURED_ON, ("home", "face", "c0", "c1")), places),),
        candidates=bind(
            "candidates/grid/candidates_haversine.sql", structure=structure, values=thresholds(comparison)
        ),
        comparisons=bind("candidates/grid/comparisons.sql", structure={**structure, "has_faces": True}),
    )


def chord(metres: float) -> float:
    """Return the chord, in radii, of a great-circle distance in metres."""
    return 2 * math.sin(0.5 * (metres / EARTH_RADIUS_M))


def thresholds(comparison: Comparison) -> dict[str, float]:
    """Return the thresholds for statements that measure great-circle distances."""
    # Same formula as the reduced distance of scikit-learn's haversine tree.
    half_chord = math.sin(0.5 * (comparison.threshold / EARTH_RADIUS_M))
    reduced = half_chord * half_chord
    return {
        "threshold": comparison.threshold,
        "diameter": 2 * EARTH_RADIUS_M,
        "reduced_threshold": reduced if reduced < 1 else _EVERY_PAIR,
    }
