"""Write the coastline of the maps in reports: `python -m docs.make_coastline land-50m.json`.

The source is Natural Earth's "land" at 1:50 million, which is in the public domain (naturalearthdata.com).
The npm package `world-atlas` has it as TopoJSON: `npm pack world-atlas@2.0.2`, then unpack `land-50m.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster_assets.stages.report.pictures.coast import COASTLINE, UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Ring = npt.NDArray[np.float64]

_TOLERANCE = 0.1  # degrees that a simplified ring may differ by
_LEAST = 0.5  # degrees that an island extends


def rings_of(topology: dict[str, Any]) -> Iterator[Ring]:
    """The outlines of all land, shape (points, 2) each: longitude and latitude in degrees."""
    scale, start = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + start for arc in topology["arcs"]]
    for shape in topology["objects"]["land"]["geometries"]:
        for polygon in shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]:
            for ring in polygon:
                parts = [arcs[k] if k >= 0 else arcs[~k][::-1] for k in ring]
                yield np.concatenate([parts[0], *(part[1:] for part in parts[1:])])


def simplify(ring: Ring) -> Ring:
    """A ring with fewer points, by the algorithm of Douglas and Peucker (Cartographica 1973)."""
    kept = np.zeros(len(ring), np.bool_)
    kept[[0, -1]] = True
    parts = [(0, len(ring) - 1)]
    while parts:
        first, last = parts.pop()
        if last - first < 2:
            continue
        way, inner = ring[last] - ring[first], ring[first + 1 : last] - ring[first]
        length = np.hypot(*way)
        across = np.abs(way[0] * inner[:, 1] - way[1] * inner[:, 0])
        distance = across / length if length else np.hypot(*inner.T)
        farthest = first + 1 + int(distance.argmax())
        if distance.max() > _TOLERANCE:
            kept[farthest] = True
            parts += [(first, farthest), (farthest, last)]
    return ring[kept]


def unwrap(ring: Ring) -> Ring:
    """A ring across the date line without a jump there, so that it goes beyond 180 degrees."""
    longitudes = np.unwrap(ring[:, 0], period=360.0)
    closes = abs(longitudes[-1] - longitudes[0]) < 1.0  # Antarctica goes around the globe
    return np.column_stack([longitudes, ring[:, 1]]) if closes else ring


def main() -> None:
    """Write each ring as whole numbers: its first point, then the way from point to point."""
    topology = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    rings = [
        simplify(ring) for ring in map(unwrap, rings_of(topology)) if np.ptp(ring, axis=0).max() >= _LEAST
    ]
    written = []
    for ring in rings:
        ways = np.diff(np.round(ring * UNITS).astype(np.int64), axis=0, prepend=np.zeros((1, 2), np.int64))
        moved = np.concatenate([ways[:1], ways[1:][ways[1:].any(axis=1)]])
        if len(moved) > 3:
            written.append(moved.ravel().tolist())
    COASTLINE.write_text(json.dumps(written, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
