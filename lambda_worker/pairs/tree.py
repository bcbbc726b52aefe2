"""All near pairs of a block in few dimensions: halve it until each part is small enough for a product.

As in Quickjoin (Jacox, Samet, Metric space similarity joins, ACM TODS 2008), the set is halved, and each half
keeps only those points of the other sets that its box may reach. The halves are on either side of a median,
so the depth is logarithmic in the number of points, whatever their values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.tables.points import join_points

if TYPE_CHECKING:
    from lambda_worker.pairs.product import Product
    from lambda_worker.tables.points import Points

_LEAF = 512  # points; in eight dimensions 128 and 1,024 took half as long again (measured)


def measure_tree(product: Product, radius: float, points: Points, others: Points, *, within: bool) -> None:
    """Measure the pairs of a set and the pairs between it and another one.

    Proof that no pair is lost: a point is left out only if the computed square of its distance to the box of
    the half exceeds that of `radius`. The distance to the box is at most the one to any point in it;
    so a near pair's is at most `radius` / (1 + 2^-31), and rounding adds less than a factor of 1 + 2^-40.

    Args:
        product: Measures the remaining parts.
        radius: The radius of its filter: no near pair is as far apart as this.
        points: The set to halve.
        others: Points to compare it with; pairs between two of them are not compared.
        within: Whether the pairs of `points` count too.
    """
    if len(points) <= _LEAF:
        if within:
            product.within(points)
        product.between(points, others)
        return
    widest = int(np.argmax(points.values.max(axis=1) * 0.5 - points.values.min(axis=1) * 0.5))
    middle = len(points) // 2
    order = np.argpartition(points.values[widest], middle)
    lower, upper = points.take(order[:middle]), points.take(order[middle:])
    beside = _reached(lower, join_points(upper, others) if within else others, radius)
    measure_tree(product, radius, lower, beside, within=within)
    del beside, lower
    measure_tree(product, radius, upper, _reached(upper, others, radius), within=within)


def _reached(block: Points, others: Points, radius: float) -> Points:
    """Return the points whose distance to the bounding box of a block is at most the radius."""
    low, high = block.values.min(axis=1), block.values.max(axis=1)
    rows = np.arange(len(others))
    for k, values in enumerate(others.values):  # the first axes exclude most points
        value = values.take(rows)
        rows = rows[(low[k] - value <= radius) & (value - high[k] <= radius)]
    squared = np.zeros(len(rows))
    for k, values in enumerate(others.values):
        value = values.take(rows)
        gap = np.maximum(np.maximum(low[k] - value, value - high[k]), 0.0)
        squared += gap * gap
    return others.take(rows[squared <= radius * radius])
