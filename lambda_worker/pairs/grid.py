"""All near pairs of a block in few dimensions: sort points into cells and compare runs of cells.

Vectors. The cells and the proof that no pair is lost are those of sql/candidates/grid/candidates_vector.sql:
a grid on the first one to three dimensions, whose side is slightly larger than the threshold.

Places. Cells are cubes around the sphere; pairs with a small enough chord are measured along the great
circle. By (1) to (3) of the proof in sql/candidates/grid/candidates_haversine.sql a near pair's
coordinates differ by less than a side, and its chord, computed, is at most k * (1 + 2^-20) + 2^-40, k being
that of the threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded
from lambda_worker.kernel.grid import NUMBERS, Grid, PairWalk
from lambda_worker.metrics.globe import Globe, Places
from lambda_worker.metrics.listed import METRICS
from lambda_worker.pairs.cells import place_points, side_of_globe, side_of_plane
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.points import Points, join_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_worker.arrays import Bools, Floats, Ints, Ints32, Pairs
    from lambda_worker.kernel.library import Kernel


MOST_AXES = 3
MOST_DIMENSIONS = 5
"""With more dimensions, a tree separates more points than a grid on three axes."""

_LISTED = 1 << 19  # pairs at a time, 12 MiB
_MOST_POINTS = 2**31 - 1


class GridSearch:
    """Lists the near pairs of a block."""

    def __init__(self, walk: PairWalk, ids: Ints, settle: Callable[[Ints, Ints, Floats], Pairs]) -> None:
        """Prepare the search.

        Args:
            walk: Lists pairs of rows.
            ids: Shape (points,): the point of each row.
            settle: Decides which listed pairs are near, and measures their distances.
        """
        self._walk = walk
        self._ids = ids
        self._settle = settle

    @property
    def tested(self) -> int:
        """Pairs whose distance was computed so far."""
        return self._walk.tested

    @property
    def tests(self) -> int:
        """Total number of pairs to test, an upper bound of the near pairs."""
        return self._walk.tests

    def pairs(self) -> Iterator[Pairs]:
        """Yield smaller ids, larger ids and distances in blocks, each of shape (pairs,)."""
        while (listed := self._walk.next()) is not None:
            check_deadline()
            rows, columns, distance = self._settle(*listed)
            if len(rows):
                first, second = self._ids.take(rows), self._ids.take(columns)
                yield np.minimum(first, second), np.maximum(first, second), distance


def search_grid(home: Points, halo: Points, metric: str, threshold: float) -> GridSearch | None:
    """Prepare a search for pairs of home points, and for pairs of a home point and a halo point.

    Args:
        home: Vectors; for `haversine`, rows of latitudes and of longitudes in degrees.
        halo: Same format as `home`.
        metric: `euclidean`, `manhattan`, `chebyshev` or `haversine`.
        threshold: Pairs at most this far apart are near; in metres on the globe.

    Returns:
        The search; None without the kernel, or if the points do not suit a grid.
    """
    kernel = loaded()
    points, is_home = _by_id(join_points(home, halo), len(home))
    if kernel is None or not len(home) or len(points) > _MOST_POINTS:
        return None
    if metric == "haversine":
        globe = Globe(Places.of(points.values), threshold)
        found = _sort(
            kernel, globe.places.units, ("euclidean", globe.longest_chord**2), side_of_globe(globe), is_home
        )
        if found is None:
            raise AssertionError("a sphere always suits a grid with cells of this width")
        walk, order = found
        return GridSearch(walk, points.ids.take(order), globe.take(order).settle)
    if metric not in NUMBERS or len(points.values) > MOST_DIMENSIONS:
        return None
    measure = METRICS[metric]
    found = _sort(
        kernel, points.values, (metric, measure.limit(threshold)), side_of_plane(threshold), is_home
    )
    if found is None:
        return None
    walk, order = found

    def settle(first: Ints, second: Ints, reduced: Floats) -> Pairs:
        return first, second, measure.restore(reduced, threshold)

    return GridSearch(walk, points.ids.take(order), settle)


def _sort(
    kernel: Kernel, values: Floats, nearness: tuple[str, float], side: float, is_home: Bools
) -> tuple[PairWalk, Ints32] | None:
    """Return a walk over points in the order of their cells, and this order."""
    cells = place_points(values[:MOST_AXES], side, 1)
    if cells is None:
        return None
    keys, rows = kernel.sort_keys(cells.keys)
    ordered, at_home = np.stack([axis.take(rows) for axis in values]), is_home.take(rows)
    neighbours = cells.runs_above(), cells.reach
    return PairWalk(kernel, lambda: Grid(ordered, keys, *nearness, neighbours, at_home), _LISTED), rows


def _by_id(points: Points, at_home: int) -> tuple[Points, Bools]:
    """Sort points by id, so that the order of pairs does not depend on the files; mark home points."""
    is_home = np.arange(len(points)) < at_home
    if (points.ids[1:] > points.ids[:-1]).all():
        return points, is_home
    order = np.argsort(points.ids, kind="stable")
    return points.take(order), is_home.take(order)
