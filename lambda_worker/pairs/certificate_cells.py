"""The kernel's certificate: narrow cells, stars inside them, and one witness pair between two cells.

The proof is in sql/candidates/dense_cells/candidates.sql, which does the same in SQL. Here two cells need no
witness if other cells have already joined them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract.candidates import MOST_CELL_AXES
from lambda_worker.kernel import loaded
from lambda_worker.kernel.grid import Grid
from lambda_worker.metrics.listed import METRICS, build_metric
from lambda_worker.pairs.cells import LEAST, place_points
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Floats, Ints, Ints32, Pairs
    from lambda_worker.kernel.library import Kernel
    from lambda_worker.pairs.cells import Cells
    from lambda_worker.tables.points import WeightedPoints

_NARROWER = 1 - 2.0**-10
_LISTED = 1 << 19  # pairs at a time
_MOST_CELLS = 1024  # pairs of a neighbourhood; `attach_borders` in certificate.c stops before it needs more


def certify_cells(
    points: WeightedPoints, metric: str, threshold: float, min_samples: int
) -> CellCertificate | None:
    """Find the core points; pairs are computed on demand.

    Returns:
        The certificate; None if the kernel was not built or the points do not suit a grid.
    """
    kernel = loaded()
    few_points = 0 < len(points) <= np.iinfo(np.int32).max
    if kernel is None or threshold < LEAST or not few_points or len(points.values) > MOST_CELL_AXES:
        return None
    widest = _widest(metric, len(points.values))
    reach = math.ceil(widest * (1 + 2.0**-9))
    cells = place_points(points.values, threshold / widest * _NARROWER, reach)
    if cells is None:
        return None
    keys, order = kernel.sort_keys(cells.keys)
    values = np.stack([row.take(order) for row in points.values])
    grid = Grid(values, keys, metric, METRICS[metric].limit(threshold), (cells.runs(), reach))
    core = np.zeros(len(points), np.bool_)
    kernel.call.find_cores(grid.address, points.weights.take(order), min_samples, core)
    certificate = CellCertificate(kernel, _Sorted(values, keys, order, cells, core), metric, threshold)
    certificate.tested = grid.tested
    return certificate


def _widest(metric: str, axes: int) -> float:
    """Return the size of a difference of 1 in all axes."""
    return {"euclidean": math.sqrt(axes), "manhattan": float(axes), "chebyshev": 1.0}[metric]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Points in the order of their cells: values, keys, ids, the grid, and which are core."""

    values: Floats
    keys: Ints
    ids: Ints32
    cells: Cells
    core: Bools

    def where(self, chosen: Bools) -> _Sorted:
        rows = np.flatnonzero(chosen)
        values = np.stack([row.take(rows) for row in self.values])
        return _Sorted(
            values, self.keys.take(rows), self.ids.take(rows), self.cells, np.ones(len(rows), np.bool_)
        )


class CellCertificate:
    """Core points and witness pairs of points in cells.

    Attributes:
        tested: Number of distances computed so far.
    """

    def __init__(self, kernel: Kernel, points: _Sorted, metric: str, threshold: float) -> None:
        """Start from known cores, before any pair is listed."""
        self.tested = 0
        self._kernel = kernel
        self._points = points
        self._metric = metric
        self._threshold = threshold

    @cached_property
    def core(self) -> Bools:
        """Which points are core, by id; shape (points,)."""
        core = np.empty_like(self._points.core)
        core[self._points.ids] = self._points.core
        return core

    def pairs(self) -> Iterator[Pairs]:
        """Smaller ids, larger ids and distances, some pairs at a time; each shape (pairs,)."""
        cores = self._points.where(self._points.core)
        if not len(cores.ids):
            return
        sets = np.arange(len(cores.ids), dtype=np.int32)
        first, second = np.empty(len(sets), np.int64), np.empty(len(sets), np.int64)
        check_deadline()
        grid = self._grid(cores, cores.cells.runs_above())
        joined = self._kernel.call.join_cells(grid.address, sets, first, second)
        self.tested += grid.tested
        for start in range(0, joined, _LISTED):
            part = slice(start, min(joined, start + _LISTED))
            yield self._measured(cores, first[part], cores, second[part])
        outer = self._points.where(~self._points.core)
        yield from self._borders(cores, outer, sets)

    def _borders(self, cores: _Sorted, outer: _Sorted, sets: Ints32) -> Iterator[Pairs]:
        grid, cursor = self._grid(cores, cores.cells.runs()), np.zeros(1, np.int64)
        room = _LISTED + _MOST_CELLS
        rows, inner = np.empty(room, np.int64), np.empty(room, np.int64)
        while cursor[0] < len(outer.ids):
            check_deadline()
            listed = self._kernel.call.attach_borders(
                grid.address, sets, outer.values, outer.keys, len(outer.ids), cursor, room, rows, inner
            )
            if listed:
                yield self._measured(outer, rows[:listed], cores, inner[:listed])
        self.tested += grid.tested

    def _grid(self, cores: _Sorted, runs: Ints) -> Grid:
        limit = METRICS[self._metric].limit(self._threshold)
        return Grid(cores.values, cores.keys, self._metric, limit, (runs, cores.cells.reach))

    def _measured(self, one: _Sorted, rows: Ints, other: _Sorted, columns: Ints) -> Pairs:
        found = build_metric(self._metric, self._threshold).measure(_plain(one), rows, _plain(other), columns)
        a, b = one.ids.take(rows), other.ids.take(columns)
        return np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64), found.distance


def _plain(points: _Sorted) -> Points:
    return Points(points.keys, points.values)  # distances use values only
