"""How dense a day is, by a sample: what a grid join would compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.metrics.vectors import LEAST, MOST_AXES

if TYPE_CHECKING:
    from numpy.typing import NDArray


SAMPLED_POINTS = 8_000
"""Enough for a guess within a fifth, of days that are about as dense as the choice of an executor asks."""


def estimated_comparisons(sample: NDArray[np.float64], threshold: float, every: int) -> int:
    """Pairs of points in the same or in neighbouring cells of a grid, about.

    A point meets half of the points in its cell and in those around it, were these as full as its own. Of n
    points in a cell a sample of every k-th has n / k, and n / k * (n / k - 1) is a fair guess of its square.

    Args:
        sample: Shape (points, dimensions): every k-th point of the day.
        threshold: Side of a cell.
        every: The k.
    """
    axes = min(sample.shape[1], MOST_AXES)
    cells = np.floor(sample[:, :axes] / max(threshold, LEAST))
    _, counts = np.unique(cells, axis=0, return_counts=True)
    counts = counts.astype(np.float64)
    met = float((counts * (counts - 1)).sum()) * every * every
    return round(met * float(3**axes) / 2)
