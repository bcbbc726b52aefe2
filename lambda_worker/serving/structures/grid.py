"""Near points in few dimensions and on the globe: points sorted by cell, adjacent cells looked up.

Cells and proof are those of the stage `candidates` (`lambda_worker/pairs/grid.py`): near points lie in the
same or in adjacent cells. The cells along the last axis have consecutive keys, so the neighbourhood of an
item is a few runs of the sorted keys.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.globe import HALF_WAY_ROUND_M, Globe, Places, in_metres
from lambda_worker.metrics.listed import METRICS
from lambda_worker.pairs.cells import place_points, runs_around, side_of_globe, side_of_plane
from lambda_worker.pairs.grid import MOST_AXES, MOST_DIMENSIONS
from lambda_worker.serving.structures.near import Near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Ints


def build_plane(values: Floats, threshold: float) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a `Plane`; None if the points do not suit a grid.

    Args:
        values: Shape (dimensions, points), at least one point.
        threshold: Points at most this far apart are near.
    """
    if len(values) > MOST_DIMENSIONS:
        return None
    return _sorted_by_cell(values[:MOST_AXES], values, side_of_plane(threshold))


def build_globe(degrees: Floats, threshold: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of a `Sphere`.

    Args:
        degrees: Shape (2, points): latitudes and longitudes, at least one point.
        threshold: In metres.
    """
    globe = Globe(Places.of(degrees), threshold)
    columns = np.stack(globe.places.columns())
    arrays = _sorted_by_cell(globe.places.units, columns, side_of_globe(globe))
    if arrays is None:
        raise AssertionError("a sphere always suits a grid with cells of this width")
    return arrays


class Plane:
    """Vectors in few dimensions."""

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], metric: str, threshold: float, factor: float = 1.0
    ) -> None:
        self._runs = _Runs(arrays, side_of_plane(threshold), factor)
        self._metric, self._threshold = METRICS[metric], threshold * factor
        self._limit = self._metric.limit(self._threshold)

    def near(self, query: Floats) -> Near:
        """Return the points within the threshold of a vector of shape (dimensions,)."""
        ids, values = self._runs.around(query)
        if not len(ids):
            return Near.nothing()
        reduced = self._metric.reduce(zip(query, values.T, strict=True), np.empty(len(ids)))
        is_near = np.flatnonzero(reduced <= self._limit)
        return Near(ids.take(is_near), self._metric.restore(reduced.take(is_near), self._threshold))


class Sphere:
    """Places; a query is latitude and longitude in degrees."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], threshold: float, factor: float = 1.0) -> None:
        nowhere = Places.of(np.empty((2, 0)))
        self._runs = _Runs(arrays, side_of_globe(Globe(nowhere, threshold)), factor)
        self._threshold = min(threshold * factor, HALF_WAY_ROUND_M)
        self._limit = Globe(nowhere, self._threshold).limit

    def near(self, query: Floats) -> Near:
        """Return the places within the threshold of a place of shape (2,)."""
        place = Places.of(query[:, None])
        ids, values = self._runs.around(place.units[:, 0])
        if not len(ids):
            return Near.nothing()
        reduced = Places(*values.T).reduce(place)
        is_near = np.flatnonzero(reduced <= self._limit)
        metres = np.minimum(in_metres(reduced.take(is_near)), self._threshold)
        return Near(ids.take(is_near), metres)


class _Runs:
    """The points in the cells around a position.

    Args:
        arrays: The points, sorted by cell.
        side: Side of a cell.
        reach: Number of cells to either side; infinite for all points.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], side: float, reach: float) -> None:
        self._reach = reach
        self._keys, self._ids, self._values = arrays["cell_keys"], arrays["cell_ids"], arrays["cell_values"]
        self._side = side
        self._low = arrays["cell_low"].tolist()
        self._widths = arrays["cell_widths"].tolist()
        self._strides = arrays["cell_strides"].tolist()
        self._offsets = runs_around(tuple(self._strides), 1)

    def around(self, position: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return ids and values of these points; shapes (points,) and (points, values)."""
        if math.isinf(self._reach):
            return self._ids, self._values
        if self._reach > 1:
            return self._join(*self._wide_runs(position))
        key = 0
        for axis, stride in enumerate(self._strides):
            cell = math.floor(float(position[axis]) / self._side) - self._low[axis]
            # Beyond the empty cells around the points, no cell with points is adjacent.
            if not -1 <= cell <= self._widths[axis] - 2:
                return self._ids[:0], self._values[:0]
            key += (int(cell) + 1) * stride
        middle = self._offsets + key
        return self._join(middle - 1, middle + 1)

    def _wide_runs(self, position: Floats) -> tuple[Ints, Ints]:
        """Return the first and the last key of each run; cells outside those of the points are left out."""
        reach = math.ceil(self._reach)
        spans = []
        for axis, width in enumerate(self._widths):
            cell = math.floor(float(position[axis]) / self._side) - self._low[axis] + 1
            spans.append((int(max(0, cell - reach)), int(min(width - 1, cell + reach))))
        rows = np.zeros(1, np.int64)
        for (low, high), stride in zip(spans[:-1], self._strides[:-1], strict=True):
            rows = (rows[:, np.newaxis] + np.arange(low, high + 1) * stride).ravel()
        low, high = spans[-1]
        return rows + low, rows + high

    def _join(self, first: Ints, last: Ints) -> tuple[NDArray[np.int64], Floats]:
        starts = np.searchsorted(self._keys, first, "left").tolist()
        ends = np.searchsorted(self._keys, last, "right").tolist()
        parts = [slice(start, end) for start, end in zip(starts, ends, strict=True) if end > start]
        if len(parts) == 1:
            return self._ids[parts[0]], self._values[parts[0]]
        if not parts:
            return self._ids[:0], self._values[:0]
        ids = np.concatenate([self._ids[part] for part in parts])
        return ids, np.concatenate([self._values[part] for part in parts])


def _sorted_by_cell(axes: Floats, values: Floats, side: float) -> dict[str, NDArray[Any]] | None:
    cells = place_points(axes, side, 1)
    if cells is None:
        return None
    order = np.argsort(cells.keys, kind="stable")
    return {
        "cell_keys": cells.keys.take(order),
        "cell_ids": order.astype(np.int64),
        "cell_values": np.ascontiguousarray(values[:, order].T),
        "cell_low": np.array(cells.low),
        "cell_widths": np.array(cells.widths),
        "cell_strides": np.array(cells.strides, np.int64),
    }
