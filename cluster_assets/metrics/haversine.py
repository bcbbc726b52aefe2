"""Great-circle distance in metres on a sphere."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cluster_assets.metrics.grids import RELATIVE_SLACK, half_neighbourhood
from cluster_assets.metrics.plans import CandidatePlan
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison

EARTH_RADIUS_M = 6_371_008.8  # mean radius of the ellipsoid, IUGG
_ABSOLUTE_SLACK = 2.0**-40  # in radii, 6 micrometres; far above the rounding of coordinates
_EVERY_PAIR = 2.0  # the reduced distance is at most 1, apart from rounding


def plan(comparison: Comparison) -> CandidatePlan:
    """Grid join on the unit sphere in three dimensions, then the exact distance; proof in the SQL file."""
    side = {"side": chord(comparison.threshold) * RELATIVE_SLACK + _ABSOLUTE_SLACK}
    structure = {"axes": 3, "steps": half_neighbourhood(3)}
    return CandidatePlan(
        scratch=(),
        candidates=bind(
            "candidates/haversine.sql", structure=structure, values={**side, **thresholds(comparison)}
        ),
        comparisons=bind(
            "comparisons/grid.sql", structure={**structure, "cells": "cells/haversine.sql"}, values=side
        ),
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
