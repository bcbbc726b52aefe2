"""Near points in many dimensions: a few leading directions bound the distance, then it is measured exactly.

Let P be a projection on k orthonormal directions. No distance of projections is above that of the vectors,
|Px - Py| <= |x - y|, and by `metrics/filters.py` no near pair is further apart than a radius in the Euclidean
sense; two directions of unit length at cosine distance t are sqrt(2 t) apart. So all near points are among
those with |Px - Py|^2 <= radius^2, which one product of a small matrix finds. Its rounding is covered as in
that module: projections are divided by a power of two S >= all their norms, so stored norms are at most 1.
Of an item with norm r, the product errs by less than 4 (k + 8) u ((1 + r) / 2)^2 with u = 2^-24 or 2^-53, and
the margin is twice that. The projection itself is computed in doubles; `_SLACK` covers its rounding and that
of the directions, which are orthonormal up to 2^-40.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.filters import directions_radius, distance_filter, power_above
from lambda_worker.metrics.leading import leading_axes
from lambda_worker.metrics.listed import METRICS, directions
from lambda_worker.serving.structures.near import Near
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Indices

_DIRECTIONS = 12
_SAMPLE = 20_000
_CHUNK, _ROWS = 1 << 20, 1 << 14  # points at a time, so that an answer takes bounded memory
_SLACK = 1 + 2.0**-30
_SMALL = 0.125  # a margin of this share of the limit lets few more points pass
_UNIT = {np.dtype(np.float32): 2.0**-24, np.dtype(np.float64): 2.0**-53}


def build_dense(columns: Floats, metric: str, threshold: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of a `Dense`.

    Args:
        columns: Shape (dimensions, points), at least one point.
        metric: A metric of vectors.
        threshold: Points at most this far apart are near.
    """
    if METRICS[metric].of_directions:
        columns = directions(Points(np.arange(columns.shape[1]), columns)).values
    rows = np.ascontiguousarray(columns.T)
    centre = rows.mean(axis=0)
    basis = leading_axes(columns[:, :: max(1, len(rows) // _SAMPLE)], _DIRECTIONS)
    low = (rows - centre) @ basis.T
    scale = power_above(float(np.sqrt((low * low).sum(axis=1).max())))
    low /= scale
    limit = min(_radius(metric, threshold, len(columns)) / scale, 4.0) ** 2
    kind = (
        np.dtype(np.float32)
        if _margin(basis, np.dtype(np.float32), 1.0) <= _SMALL * limit
        else np.dtype("f8")
    )
    squares = (low * low).sum(axis=1, keepdims=True)
    return {
        "dense_rows": rows,
        "dense_low": np.concatenate([low, squares], axis=1).astype(kind),
        "dense_basis": basis,
        "dense_centre": centre,
        "dense_scale": np.array([scale]),
    }


class Dense:
    """Vectors in many dimensions, and all that are compared by their direction."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], metric: str, threshold: float) -> None:
        self._rows, self._low = arrays["dense_rows"], arrays["dense_low"]
        self._basis, self._centre = arrays["dense_basis"], arrays["dense_centre"]
        self._scale = float(arrays["dense_scale"][0])
        self._metric, self._threshold = METRICS[metric], threshold
        self._limit = self._metric.limit(threshold)
        radius = _radius(metric, threshold, self._rows.shape[1])
        self._radius, self._square = radius / self._scale, radius * radius * _SLACK

    def near(self, query: Floats) -> Near:
        """Return the points within the threshold of a vector of shape (dimensions,)."""
        if self._metric.of_directions:
            query = directions(Points(np.zeros(1, np.int64), query[:, None])).values[:, 0]
        if math.isinf(self._threshold):
            return self._all(query)
        ids = self._candidates(query)
        if not len(ids):
            return Near.nothing()
        # The bound once more, in all dimensions: few points are left to measure in order.
        away = self._rows.take(ids, axis=0) - query
        ids = ids[np.einsum("ij,ij->i", away, away) <= self._square]
        if not len(ids):
            return Near.nothing()
        reduced = self._metric.reduce_rows(query, self._rows.take(ids, axis=0))
        is_near = np.flatnonzero(reduced <= self._limit)
        return Near(ids.take(is_near), self._metric.restore(reduced.take(is_near), self._threshold))

    def _all(self, query: Floats) -> Near:
        rows = [self._rows[start : start + _ROWS] for start in range(0, len(self._rows), _ROWS)]
        reduced = np.concatenate([self._metric.reduce_rows(query, some) for some in rows])
        return Near(np.arange(len(self._rows)), self._metric.restore(reduced))

    def _candidates(self, query: Floats) -> Indices:
        position = (self._basis @ (query - self._centre)) / self._scale
        norm = math.sqrt(float(position @ position))
        if norm > 1 + self._radius * _SLACK + _margin(self._basis, self._low.dtype, 1.0):
            return np.empty(0, np.intp)
        limit = self._radius**2 * _SLACK - norm * norm + _margin(self._basis, self._low.dtype, norm)
        factor = np.append(-2 * position, 1.0).astype(self._low.dtype)
        found = [
            np.flatnonzero(self._low[start : start + _CHUNK] @ factor <= limit) + start
            for start in range(0, len(self._low), _CHUNK)
        ]
        return np.concatenate(found)


def _radius(metric: str, threshold: float, dimensions: int) -> float:
    if METRICS[metric].of_directions:
        return directions_radius(threshold, dimensions) * _SLACK
    return distance_filter(metric, threshold, dimensions).radius * _SLACK


def _margin(basis: Floats, kind: np.dtype[Any], norm: float) -> float:
    return 8 * (len(basis) + 8) * _UNIT[kind] * ((1 + norm) / 2) ** 2
