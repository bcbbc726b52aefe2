"""How dense a day is, by a sample: what a grid join would compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.metrics import haversine, vectors
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison
    from cluster_assets.ports import Statement

SAMPLED_POINTS = 8_000
"""Enough for a guess within a fifth, of days that are about as dense as the choice of an executor asks."""


def sample_density(comparison: Comparison, every: int) -> Statement:
    """The statement that counts the pairs of a sample in the same cell, as `shared`.

    Args:
        comparison: Vectors that are not compared by angle, or places.
        every: The k of a sample of every k-th point.
    """
    is_geo = comparison.kind == "geo"
    side = haversine.chord(comparison.threshold) if is_geo else max(comparison.threshold, vectors.LEAST)
    structure = {"is_geo": is_geo, "axes": 3 if is_geo else _flat_axes(comparison)}
    return bind("comparisons/sampled.sql", structure=structure, values={"every": every, "side": side})


def estimate_comparisons(comparison: Comparison, shared: float, every: int) -> int:
    """Pairs of points in the same or in neighbouring cells of a grid, about.

    A point meets half of the points in its cell and in those around it, were these as full as its own. Of n
    points in a cell a sample of every k-th has n / k, and n / k * (n / k - 1) is a fair guess of its square.

    Args:
        comparison: As for `sample_density`.
        shared: What its statement answers.
        every: The k.
    """
    return round(shared * every * every * 3.0 ** _flat_axes(comparison) / 2)


def _flat_axes(comparison: Comparison) -> int:
    """Places lie on a surface, although their cells are cubes."""
    return min(len(comparison.columns), 2 if comparison.kind == "geo" else vectors.MOST_AXES)
