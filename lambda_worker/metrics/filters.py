"""Filters for pairs that may be near: one product of small matrices, with a margin for its rounding.

For two sets of points, a filter gives factors L (rows, k) and R (columns, k) and a limit, so that
(L @ R.T)[i, j] <= limit for every near pair (i, j), in whatever order the product adds, with or without
fused operations. (Only products by Strassen's method have larger errors; no BLAS of numpy uses it.) It uses
float32, which is twice as fast, if its margin is small compared with the limit, else float64. The factors are
those of projected points, which `project` computes once per set; most filters compare the points as they are.

Distances. Let no near pair be further apart than `radius`, see `distance_filter`. The points are shifted by a
common centre and divided by a power of two S >= all their norms, so that norms are at most 1; the shift costs
a factor of 1 + 2^-53 per value. Then D^2 / S^2 = |a|^2 + |b|^2 - 2 a.b is the product of (-2a, |a|^2, 1) and
(b, 1, |b|^2). With u = 2^-24 or 2^-53, stored values are off by a factor of 1 + u, products of two of them by
less than 1 + 3.1 u, and adding k = d + 2 products in any order by gamma_k = k u / (1 - k u) of the sum of
their absolute values (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), which is at most
(|a| + |b|)^2 <= 4. Together less than 4 (d + 7) u for d u <= 0.01; the margin is twice that and covers the
rounding of centre, norms and limit. Values that underflow lose 2^-149 at most each, far below the margin.

Cosines. Of vectors with norms 1 or 0, up to 2^-43, L @ R.T is -cos; its error is below (d + 4) u. The
distance as SQL computes it is off by less than (d + 3) 2^-53.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats
    from lambda_worker.tables.points import Points

    Factor = NDArray[np.floating]

_LEAST = 2.0**-500  # squares of smaller differences underflow: the exact test uses no smaller threshold
_SLACK = 1 + 2.0**-30  # above the rounding of 2^20 dimensions
_SMALL = 0.125  # a margin of this share of the limit lets few more pairs pass
_UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@dataclass(frozen=True, slots=True)
class DistanceFilter:
    """A filter for Euclidean, Manhattan and Chebyshev distances.

    Attributes:
        radius: No near pair is further apart in the Euclidean sense.
    """

    radius: float

    def project(self, points: Points) -> Points:
        """The points as `factors` compares them."""
        return points

    def factors(self, one: Points, other: Points) -> tuple[Factor, Factor, float]:
        """L, R and the limit for the pairs of two sets, `one` not empty."""
        dimensions = len(one.values)
        low, high = one.values.min(axis=1), one.values.max(axis=1)
        centre = (0.5 * low + 0.5 * high)[:, None]
        left, right = one.values - centre, other.values - centre
        scale = power_above(max(np.abs(left).max(), np.abs(right).max()))  # so that no square overflows
        squares = _shrink(left, scale), _shrink(right, scale)
        longest = power_above(math.sqrt(max(squares[0].max(), squares[1].max())))
        squares = _shrink(left, longest), _shrink(right, longest)
        scale *= longest
        limit = min(self.radius / scale, 2.0) ** 2  # beyond 2 every pair passes
        kind, margin = _precision(8 * (dimensions + 8), limit)
        ones = np.ones(len(one)), np.ones(len(other))
        return (
            np.concatenate([-2 * left, squares[0][None], ones[0][None]]).astype(kind).T,
            np.concatenate([right, ones[1][None], squares[1][None]]).astype(kind).T,
            limit + margin,
        )


@dataclass(frozen=True, slots=True)
class CosineFilter:
    """A filter for cosine distances of `directions`."""

    threshold: float

    def project(self, points: Points) -> Points:
        """The points as `factors` compares them."""
        return points

    def factors(self, one: Points, other: Points) -> tuple[Factor, Factor, float]:
        """L, R and the limit for the pairs of two sets, `one` not empty."""
        dimensions = len(one.values)
        kind, margin = _precision(2 * (dimensions + 8), self.threshold)
        limit = self.threshold - 1 + margin + (dimensions + 8) * 2.0**-50
        return (-one.values).astype(kind).T, other.values.astype(kind).T, limit


def distance_filter(metric: str, threshold: float, dimensions: int) -> DistanceFilter:
    """The filter of a metric between points, not directions.

    In doubles, a near pair has differences whose rounded sum is at most the threshold. Exactly,
    the root of the sum of squares (euclidean), the sum (manhattan) or the largest (chebyshev) is then at most
    a factor of 1 + 2^-40 above it; and no Euclidean distance exceeds the Manhattan one, or sqrt(d) times the
    Chebyshev one.
    """
    factor = math.sqrt(dimensions) if metric == "chebyshev" else 1.0
    return DistanceFilter(max(threshold, _LEAST) * factor * _SLACK)


def directions_radius(threshold: float, dimensions: int) -> float:
    """No two `directions` that are near by their cosine distance are further apart in the Euclidean sense.

    Norms are 1 or 0, up to a factor of 1 + (d / 2 + 3) 2^-53, and the computed distance is off by less than
    (d + 3) 2^-53; so |u - v|^2 = |u|^2 + |v|^2 - 2 u.v <= 2 threshold + (d + 8) 2^-50. With a vector of
    zeros, near means threshold >= 1, and |u - v| <= 1.
    """
    return math.sqrt(2 * threshold + (dimensions + 8) * 2.0**-50) * (1 + 2.0**-50)


def _shrink(values: Floats, power: float) -> Floats:
    """Divide vectors by a power of two, and return the squares of their norms; shape (points,)."""
    values /= power
    norms: Floats = np.einsum("kn,kn->n", values, values)
    return norms


def _precision(margin_in_units: float, limit: float) -> tuple[type[np.floating], float]:
    margin = margin_in_units * _UNIT[np.float32]
    if margin <= _SMALL * limit:
        return np.float32, margin
    return np.float64, margin_in_units * _UNIT[np.float64]


def power_above(value: float) -> float:
    """Return the smallest power of two that is not below a value; 1 for 0."""
    return 2.0 ** math.ceil(math.log2(value)) if value > 0 else 1.0
