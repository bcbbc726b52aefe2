"""Land on maps: Natural Earth's outlines, cut to the frame of a map and simplified to what can be seen.

`docs/make_coastline.py` writes the file and names its source, which is in the public domain.
"""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from cluster_assets.stages.report.pictures.scales import Scale

    Points = list[tuple[float, float]]

COASTLINE = Path(__file__).with_name("coastline.json")

UNITS = 10
"""Numbers of the file per degree."""

_DATE_LINE = 180.0
_NARROWEST = 2.0  # degrees of a frame; a narrower one would show how coarse the outlines are
_STEP = 1.2  # units of a picture; a nearer point is left out
_LEAST = 2.0  # units that land extends


def land_path(across: Scale, upwards: Scale) -> str:
    """Return the land within a map as an SVG path, empty if there is none or the map is too narrow.

    Args:
        across: From longitudes to places.
        upwards: From latitudes to places.
    """
    if upwards.high - upwards.low < _NARROWEST:
        return ""
    low, high = (across.low, upwards.low), (across.high, upwards.high)
    drawn = []
    for ring in _rings():
        if (ring.max(axis=0) <= low).any() or (ring.min(axis=0) >= high).any():
            continue
        cut = clip(list(map(tuple, ring.tolist())), low, high)
        path = list(_seen((across(x), upwards(y)) for x, y in cut))
        if len(path) > 2 and _extent(path) >= _LEAST:
            drawn.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in path) + "z")
    return "".join(drawn)


def clip(ring: Points, low: tuple[float, float], high: tuple[float, float]) -> Points:
    """Return the part of a ring inside a box, by the algorithm of Sutherland and Hodgman (CACM 1974)."""
    for axis, limit, sign in ((0, low[0], 1), (1, low[1], 1), (0, high[0], -1), (1, high[1], -1)):
        kept: Points = []
        for start, end in pairwise([*ring[-1:], *ring]):
            inside = [sign * (point[axis] - limit) >= 0 for point in (start, end)]
            if inside[0] != inside[1]:
                share = (limit - start[axis]) / (end[axis] - start[axis])
                other = start[1 - axis] + share * (end[1 - axis] - start[1 - axis])
                kept.append((limit, other) if axis == 0 else (other, limit))
            if inside[1]:
                kept.append(end)
        ring = kept
    return ring


def _seen(points: Iterator[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    last: tuple[float, float] | None = None
    for point in points:
        if last is None or max(abs(point[0] - last[0]), abs(point[1] - last[1])) >= _STEP:
            last = point
            yield point


def _extent(points: Points) -> float:
    return float(np.ptp(np.array(points), axis=0).max())


@cache
def _rings() -> tuple[npt.NDArray[np.float64], ...]:
    written = json.loads(COASTLINE.read_text(encoding="ascii"))
    rings = [np.cumsum(np.array(ring).reshape(-1, 2), axis=0) / UNITS for ring in written]
    # Land across the date line is at both ends of the world.
    once = np.array([360.0, 0.0])
    more = [ring - once for ring in rings if ring[:, 0].max() > _DATE_LINE]
    more += [ring + once for ring in rings if ring[:, 0].min() < -_DATE_LINE]
    return (*rings, *more)
