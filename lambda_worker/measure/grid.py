"""All near pairs of a block in few dimensions: points sorted into cells, runs of cells compared.

Vectors. The cells and the proof that no pair is lost are those of sql/candidates/vector.sql: a grid on the
first one to three dimensions, whose side is a little more than the threshold.

Places. Cells are cubes around the sphere; pairs whose straight distance allows it are measured along the
great circle. By (1) to (3) of the proof in sql/candidates/haversine.sql a near pair's coordinates differ by
less than a side, and its chord, computed, is at most k * (1 + 2^-20) + 2^-40, k being that of the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.deadline import check_deadline
from lambda_worker.kernel import loaded
from lambda_worker.kernel.grid import METRICS, Grid, PairWalk
from lambda_worker.measure.cells import LEAST, place_points
from lambda_worker.measure.globe import Globe
from lambda_worker.measure.points import Points, join_points
from lambda_worker.measure.walks import ArrayWalk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ids = NDArray[np.int64]
    Pairs = tuple[Ids, Ids, NDArray[np.float64]]

MOST_AXES = 3
MOST_DIMENSIONS = 5
"""With more, a tree tells more points apart than a grid of three axes."""

_WIDER = 1 + 2.0**-10
_ABSOLUTE_SLACK = 2.0**-40
_LEAST_SIDE = 2.0**-19  # in radii, 12 m: narrower cells around the sphere would be too many to number
_LISTED = 1 << 19  # pairs at a time, 12 MiB
_MOST_POINTS = 2**31 - 1


class _Walk(Protocol):
    @property
    def tested(self) -> int: ...

    @property
    def tests(self) -> int: ...

    def next(self) -> Pairs | None: ...


class _Nearness(Protocol):
    """Tells which of some pairs are near, and how far apart."""

    def settle(self, first: Ids, second: Ids, reduced: NDArray[np.float64]) -> Pairs: ...


@dataclass(frozen=True, slots=True)
class _Vectors:
    metric: str
    threshold: float

    def settle(self, first: Ids, second: Ids, reduced: NDArray[np.float64]) -> Pairs:
        return first, second, restore_distance(reduced, self.metric, self.threshold)


class GridSearch:
    """The near pairs of a block."""

    def __init__(self, walk: _Walk, ids: Ids, nearness: _Nearness) -> None:
        """Nothing is measured yet.

        Args:
            walk: Lists rows.
            ids: Shape (points,): the point of each row.
            nearness: Settles what the walk lists.
        """
        self._walk = walk
        self._ids = ids
        self._nearness = nearness

    @property
    def tested(self) -> int:
        """Pairs whose distance was computed so far."""
        return self._walk.tested

    @property
    def tests(self) -> int:
        """Pairs it will test in all: no more are near."""
        return self._walk.tests

    def pairs(self) -> Iterator[Pairs]:
        """Smaller ids, larger ids and distances, some pairs at a time; each shape (pairs,)."""
        while (listed := self._walk.next()) is not None:
            check_deadline()
            rows, columns, distance = self._nearness.settle(*listed)
            if len(rows):
                first, second = self._ids.take(rows), self._ids.take(columns)
                yield np.minimum(first, second), np.maximum(first, second), distance


def search_grid(home: Points, halo: Points, metric: str, threshold: float) -> GridSearch | None:
    """A search for the pairs of home points, and those of a home point and one of the halo.

    Args:
        home: Vectors; for `haversine`, rows of latitudes and of longitudes in degrees.
        halo: As `home`.
        metric: `euclidean`, `manhattan`, `chebyshev` or `haversine`.
        threshold: Pairs at most this far apart are near; in metres on the globe.

    Returns:
        None where the points do not suit a grid.
    """
    points, is_home = _by_id(join_points(home, halo), len(home))
    if not len(home) or len(points) > _MOST_POINTS:
        return None
    if metric == "haversine":
        globe = Globe.of(points.values, threshold)
        side = max(globe.chord * _WIDER + _ABSOLUTE_SLACK, _LEAST_SIDE)
        limit = (globe.chord * (1 + 2.0**-20) + _ABSOLUTE_SLACK) ** 2
        found = _sort(globe.units, ("euclidean", limit), side, is_home)
        if found is None:
            raise AssertionError("a sphere always suits a grid with cells of this width")
        walk, order = found
        return GridSearch(walk, points.ids.take(order), globe.take(order))
    if metric not in METRICS or len(points.values) > MOST_DIMENSIONS:
        return None
    side = max(threshold, LEAST) * _WIDER
    found = _sort(points.values, (metric, reduced_limit(metric, threshold)), side, is_home)
    if found is None:
        return None
    walk, order = found
    return GridSearch(walk, points.ids.take(order), _Vectors(metric, threshold))


def _sort(
    values: NDArray[np.float64], nearness: tuple[str, float], side: float, is_home: NDArray[np.bool_]
) -> tuple[_Walk, NDArray[np.signedinteger]] | None:
    """A walk over points in the order of their cells, and this order."""
    cells = place_points(values[:MOST_AXES], side, 1)
    if cells is None:
        return None
    kernel = loaded()
    if kernel is None:
        rows: NDArray[np.signedinteger] = np.argsort(cells.keys, kind="stable")
        keys = cells.keys.take(rows)
    else:
        keys, rows = kernel.sort_keys(cells.keys)
    ordered, at_home = np.stack([axis.take(rows) for axis in values]), is_home.take(rows)
    neighbours = cells.runs_above(), cells.reach
    if kernel is None:
        return ArrayWalk(ordered, keys, nearness, neighbours, at_home), rows
    return PairWalk(kernel, lambda: Grid(ordered, keys, *nearness, neighbours, at_home), _LISTED), rows


def _by_id(points: Points, at_home: int) -> tuple[Points, NDArray[np.bool_]]:
    """The points by id, so that pairs come in one order whatever that of the files; and who is at home."""
    is_home = np.arange(len(points)) < at_home
    if (points.ids[1:] > points.ids[:-1]).all():
        return points, is_home
    order = np.argsort(points.ids, kind="stable")
    return points.take(order), is_home.take(order)


def reduced_limit(metric: str, threshold: float) -> float:
    """The largest reduced distance of vectors that is near."""
    return threshold * threshold if metric == "euclidean" else threshold


def restore_distance(reduced: NDArray[np.float64], metric: str, threshold: float) -> NDArray[np.float64]:
    """The distances of near vectors; a root may round above the threshold and is cut there."""
    return np.minimum(np.sqrt(reduced), threshold) if metric == "euclidean" else reduced
