"""A filter for cosine distances in many dimensions that compares points along a few directions.

Embeddings differ mostly along far fewer directions than they have dimensions. The distance of two points
along some orthogonal directions is at most their distance, so a pair that is far apart along them is not
near. The remaining pairs are measured exactly.

Proof that no pair is lost. Let d be the number of dimensions and k that of the directions, the rows of Q.
(1) A near pair has |u - v| <= `directions_radius`.
(2) |Q (u - v)|^2 <= |Q Q'| |u - v|^2 in the spectral norm, which is at most 1 + e, e being the largest sum of
    the absolute values of a row of Q Q' - 1 (Gershgorin). A computed number of Q Q' is off by at most
    gamma_d = d 2^-53 / (1 - d 2^-53) times the lengths of two rows, in whatever order the product adds
    (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). So e is computed from Q as it is,
    plus k (d + 8) 2^-51, and no property of the solver that found Q is used.
(3) The coordinates Q u are off by at most (d + 2) 2^-53 times the length of a row of Q each, for the same
    reason; so the computed distance of two projected points exceeds |Q (u - v)| by at most
    sqrt(k) (d + 8) 2^-51.
The sum is the radius of a `DistanceFilter`, which adds its own margin for the product in float32.

Source of the directions: subspace iteration, Halko, Martinsson, Tropp, SIAM Review 2011,
https://doi.org/10.1137/090771806
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.metrics.filters import DistanceFilter, directions_radius
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from lambda_worker.arrays import Bools, Floats
    from lambda_worker.metrics.filters import Factor

_LEAST_PAIRS = 1 << 23  # the search for directions takes as long as some millions of pairs
_LEAST_DIMENSIONS = 48
_SAMPLED = 1024
_COUNTS = (16, 24, 32, 48, 64, 96, 128, 192, 256)
# Work per pair, in dimensions of a product of matrices: reading the result; measuring a dimension exactly.
_READING, _MEASURING = 16, 25
_LARGEST_ERROR = 2.0**-10


@dataclass(frozen=True, slots=True)
class LeadingFilter:
    """A filter for cosine distances of `directions` of points.

    Attributes:
        axes: Shape (k, dimensions): the directions along which points are compared.
        inside: The filter of the projected points.
    """

    axes: Floats
    inside: DistanceFilter

    def project(self, points: Points) -> Points:
        """The points as `factors` compares them, in k dimensions."""
        return Points(points.ids, self.axes @ points.values)

    def factors(self, one: Points, other: Points) -> tuple[Factor, Factor, float]:
        """L, R and the limit for the pairs of two projected sets, `one` not empty."""
        return self.inside.factors(one, other)


def leading_filter(threshold: float, values: Floats, pairs: int) -> LeadingFilter | None:
    """Return the filter with the least estimated work, or None if a product in all dimensions takes less.

    Args:
        threshold: Pairs at most this far apart are near.
        values: Shape (dimensions, points): `directions` of points that represent those to compare.
        pairs: Number of pairs to compare.
    """
    dimensions, points = values.shape
    if pairs < _LEAST_PAIRS or points < dimensions or dimensions < _LEAST_DIMENSIONS:
        return None
    step = -(-points // _SAMPLED)
    axes = leading_axes(values[:, ::step], min(_COUNTS[-1], dimensions // 2))
    others = values[
        :, step // 2 :: step
    ]  # other points than the directions were fitted to, if there are enough
    work = {
        count: _work(count, dimensions, _squared_distances(axes[:count] @ others) <= 2 * threshold)
        for count in _COUNTS
        if count <= len(axes)
    }
    best = min(work, key=work.__getitem__)
    if work[best] >= _work(dimensions, dimensions, _squared_distances(others) <= 2 * threshold):
        return None
    return filter_along(axes[:best], threshold)


def filter_along(axes: Floats, threshold: float) -> LeadingFilter | None:
    """Return the filter that compares along given axes, or None if they are far from orthonormal.

    Args:
        axes: Shape (k, dimensions).
        threshold: Pairs at most this far apart are near.
    """
    count, dimensions = axes.shape
    rounding = (dimensions + 8) * 2.0**-51
    error = np.abs(axes @ axes.T - np.eye(count)).sum(axis=1).max() + count * rounding
    if not error <= _LARGEST_ERROR:  # NaN fails this too
        return None
    radius = directions_radius(threshold, dimensions) * math.sqrt(1 + error) * (1 + 2.0**-50)
    return LeadingFilter(axes, DistanceFilter(radius + math.sqrt(count) * rounding))


def leading_axes(sample: Floats, count: int) -> Floats:
    """Orthonormal directions along which a sample differs most, the first most.

    Args:
        sample: Shape (dimensions, points), at least one point.
        count: Directions wanted; there are fewer if there are fewer dimensions or points.

    Returns:
        Shape (directions, dimensions).
    """
    rows = (sample - sample.mean(axis=1, keepdims=True)).T
    start = rows[:: max(1, len(rows) // count)][:count]
    basis = np.linalg.qr(rows.T @ (rows @ start.T))[0]
    along = rows @ basis
    _, turn = np.linalg.eigh(along.T @ along)
    return np.ascontiguousarray((basis @ turn[:, ::-1]).T)


def _squared_distances(values: Floats) -> Floats:
    """Squared distances between the points of one half and those of the other."""
    one, other = np.array_split(values, 2, axis=1)
    squares = np.square(one).sum(axis=0)[:, None] + np.square(other).sum(axis=0)
    return np.asarray(squares - 2 * (one.T @ other), np.float64)


def _work(compared: int, dimensions: int, passes: Bools) -> float:
    return compared + _READING + _MEASURING * dimensions * float(passes.mean())
