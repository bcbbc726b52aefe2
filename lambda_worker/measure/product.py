"""All near pairs of two sets of points: products of tiles choose, exact distances decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.measure.distances import Metric
    from lambda_worker.measure.filters import Factor
    from lambda_worker.measure.points import Points

# A tile of 2 Mi pairs: 8 MB in float32, and at most some 100 MB when all of them pass.
_TILE_ROWS = 512
_TILE_COLUMNS = 4096
_BAND_ROWS = 8 * _TILE_ROWS  # rows that share one preparation of the columns


class Filter(Protocol):
    """Chooses the pairs that may be near; see `lambda_worker.measure.filters`."""

    def factors(self, one: Points, other: Points) -> tuple[Factor, Factor, float]:
        """L, R and a limit: (L @ R.T)[i, j] <= limit for every near pair; `one` is not empty."""
        ...


class PairTaker(Protocol):
    """Takes near pairs as they are found."""

    def add(self, one: NDArray[np.int64], other: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        """Take the pairs of point ids (one[k], other[k]), in either order."""
        ...


@dataclass(slots=True)
class Product:
    """Measures pairs into a taker.

    Attributes:
        metric: Decides which pairs are near.
        chooses: Lists the pairs it must look at.
        takes: Receives the near ones.
        tested: Pairs that were measured exactly so far.
    """

    metric: Metric
    chooses: Filter
    takes: PairTaker
    tested: int = 0

    def within(self, points: Points) -> None:
        """All near pairs of a set, each once."""
        if len(points) > 1:
            for start in range(0, len(points), _BAND_ROWS):
                band = points.take(slice(start, start + _BAND_ROWS))
                self._measure(band, points.take(slice(start, None)), above_diagonal=True)

    def between(self, one: Points, other: Points) -> None:
        """All near pairs of a point of each set."""
        if len(one) and len(other):
            for start in range(0, len(one), _BAND_ROWS):
                self._measure(one.take(slice(start, start + _BAND_ROWS)), other, above_diagonal=False)

    def _measure(self, one: Points, other: Points, *, above_diagonal: bool) -> None:
        """Pairs (i, j) of two sets; only i < j where `other` begins with the points of `one`."""
        left, right, limit = self.chooses.factors(one, other)
        for tile, (rows, columns) in _passing(left, right, limit):
            if above_diagonal:
                upper = columns + tile.first_column > rows + tile.first_row
                rows, columns = rows[upper], columns[upper]  # noqa: PLW2901  # the same tile, less
            if len(rows):
                self._decide(one.take(tile.rows), rows, other.take(tile.columns), columns)

    def _decide(self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]) -> None:
        self.tested += len(rows)
        found = self.metric.measure(one, rows, other, columns)
        if len(found.distance):
            near = found.is_near
            self.takes.add(one.ids[rows[near]], other.ids[columns[near]], found.distance)


@dataclass(frozen=True, slots=True)
class _Tile:
    first_row: int
    first_column: int

    @property
    def rows(self) -> slice:
        return slice(self.first_row, self.first_row + _TILE_ROWS)

    @property
    def columns(self) -> slice:
        return slice(self.first_column, self.first_column + _TILE_COLUMNS)


def _passing(
    left: Factor, right: Factor, limit: float
) -> Iterator[tuple[_Tile, tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    """For each tile the rows and columns, counted from its own first, whose product is within the limit."""
    for first_row in range(0, len(left), _TILE_ROWS):
        for first_column in range(0, len(right), _TILE_COLUMNS):
            tile = _Tile(first_row, first_column)
            reduced = left[tile.rows] @ right[tile.columns].T
            # One search in a flat array takes a fraction of the time of one in two dimensions.
            passed = np.flatnonzero(reduced <= limit)
            if len(passed):
                rows = passed // reduced.shape[1]
                yield tile, (rows, passed - rows * reduced.shape[1])
