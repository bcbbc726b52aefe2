"""Estimates of a day's density: the pairs that a grid join would compare, and the near pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.stages.candidates.metrics import haversine, vectors

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Statement
    from cluster_assets.stages.candidates.metrics.plans import Comparison

SAMPLED_POINTS = 8_000
"""Enough for an error of at most a fifth at the densities where the choice of an executor changes."""


@dataclass(frozen=True, slots=True)
class SampledCells:
    """Cells in which sampled points are counted.

    Attributes:
        axes: Number of axes; those of places are in space.
        side: Side of a cell, for places in radii of the Earth.
    """

    axes: int
    side: float
    is_geo: bool = False


def cells_of_join(comparison: Comparison) -> SampledCells:
    """Return the cells of the SQL join.

    Args:
        comparison: Vectors that are not compared by angle, or geographic points.
    """
    if comparison.kind == "geo":
        return SampledCells(3, haversine.chord(comparison.threshold), is_geo=True)
    return SampledCells(_flat_axes(comparison), max(comparison.threshold, vectors.LEAST))


def cells_of_pairs(comparison: Comparison) -> SampledCells:
    """Return cells of all axes with the volume of the ball within the threshold.

    Args:
        comparison: Vectors, by `euclidean`, `manhattan` or `chebyshev`.
    """
    axes = len(comparison.columns)
    volume = {
        "euclidean": math.pi ** (axes / 2) / math.gamma(axes / 2 + 1),
        "manhattan": 2.0**axes / math.factorial(axes),
        "chebyshev": 2.0**axes,
    }[comparison.metric]
    return SampledCells(axes, max(comparison.threshold, vectors.LEAST) * volume ** (1 / axes))


def sample_density(cells: SampledCells, every: int) -> Statement:
    """Return the statement that counts the ordered pairs of sampled points in the same cell, as `shared`.

    Args:
        cells: The cells.
        every: The k of a sample of every k-th point.
    """
    return bind(
        "candidates/grid/comparisons_sampled.sql",
        structure={"is_geo": cells.is_geo, "axes": cells.axes},
        values={"every": every, "side": cells.side},
    )


def estimate_comparisons(comparison: Comparison, shared: float, every: int) -> int:
    """Estimate the number of pairs of points in the same or in neighbouring cells.

    A point is compared with half of the points in its cell and the cells around it, assuming that these are
    as full as its own. If a cell has n points, a sample of every k-th has n / k, and n / k * (n / k - 1)
    estimates its square.

    Args:
        comparison: As for `cells_of_join`.
        shared: The result of `sample_density`.
        every: The k.
    """
    return round(shared * every * every * 3.0 ** _flat_axes(comparison) / 2)


def estimate_pairs(shared: float, every: int) -> int:
    """Estimate the number of near pairs: a ball holds as many points as a cell of the same volume.

    Args:
        shared: The result of `sample_density` with `cells_of_pairs`.
        every: The k.
    """
    return round(shared * every * every / 2)


def _flat_axes(comparison: Comparison) -> int:
    """Return the dimension of the data; geographic points lie on a surface although their cells are cubes."""
    return min(len(comparison.columns), 2 if comparison.kind == "geo" else vectors.MOST_AXES)
