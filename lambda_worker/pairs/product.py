"""All near pairs of two sets of points: matrix products of tiles preselect, exact distances decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.metrics.listed import fastest_layout
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.metrics.filters import Factor
    from lambda_worker.metrics.listed import Nearness

    Passed = tuple[int, int, Indices, Indices]

# A tile of 2 Mi pairs: 8 MB in float32, and at most about 100 MB when all of them pass.
_TILE_ROWS = 512
_TILE_COLUMNS = 4096
_BAND_ROWS = 8 * _TILE_ROWS  # rows that share one preparation of the columns


class PairTaker(Protocol):
    """Receives near pairs as they are found."""

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        """Add the pairs of point ids (one[k], other[k]), in either order."""
        ...


class PairFilter(Protocol):
    """Chooses pairs that may be near; see `lambda_worker.metrics.filters`."""

    def project(self, points: Points) -> Points:
        """The points as `factors` compares them."""
        ...

    def factors(self, one: Points, other: Points) -> tuple[Factor, Factor, float]:
        """L, R and the limit for the pairs of two projected sets, `one` not empty."""
        ...


@dataclass(slots=True)
class Product:
    """Measures pairs and passes the near ones on.

    Attributes:
        metric: Decides which pairs are near.
        chooses: Preselects the pairs to measure.
        takes: Receives the near pairs.
        tested: Pairs measured exactly so far.
    """

    metric: Nearness
    chooses: PairFilter
    takes: PairTaker
    tested: int = 0

    def within(self, points: Points) -> None:
        """Find all near pairs of a set, each once."""
        if len(points) > 1:
            points = _laid_out(points)
            seen = self.chooses.project(points)
            for start in range(0, len(points), _BAND_ROWS):
                band, rest = slice(start, start + _BAND_ROWS), slice(start, None)
                passing = self._passing(seen.take(band), seen.take(rest))
                self._measure(points.take(band), points.take(rest), passing, above_diagonal=True)

    def between(self, one: Points, other: Points) -> None:
        """Find all near pairs with one point from each set."""
        if len(one) and len(other):
            one, other = _laid_out(one), _laid_out(other)
            seen, others = self.chooses.project(one), self.chooses.project(other)
            for start in range(0, len(one), _BAND_ROWS):
                band = slice(start, start + _BAND_ROWS)
                self._measure(one.take(band), other, self._passing(seen.take(band), others))

    def _passing(self, one: Points, other: Points) -> Iterator[Passed]:
        return _passing(*self.chooses.factors(one, other))

    def _measure(
        self, one: Points, other: Points, passing: Iterable[Passed], *, above_diagonal: bool = False
    ) -> None:
        """Pairs (i, j) that pass; only i < j where `other` begins with the points of `one`."""
        for top, start, rows, columns in passing:
            if above_diagonal:
                upper = columns + start > rows + top
                rows, columns = rows[upper], columns[upper]  # noqa: PLW2901  # the same tile, less
            if len(rows):
                tile = one.take(slice(top, top + _TILE_ROWS)), other.take(slice(start, start + _TILE_COLUMNS))
                self._decide(tile[0], rows, tile[1], columns)

    def _decide(self, one: Points, rows: Indices, other: Points, columns: Indices) -> None:
        self.tested += len(rows)
        found = self.metric.measure(one, rows, other, columns)
        if len(found.distance):
            near = found.is_near
            self.takes.add(one.ids[rows[near]], other.ids[columns[near]], found.distance)


def _laid_out(points: Points) -> Points:
    return Points(points.ids, np.asarray(points.values, order=fastest_layout()))


def _passing(left: Factor, right: Factor, limit: float) -> Iterator[Passed]:
    """Yield the first row and column of each tile, and the pairs in it whose product is within the limit."""
    for top in range(0, len(left), _TILE_ROWS):
        for start in range(0, len(right), _TILE_COLUMNS):
            reduced = left[top : top + _TILE_ROWS] @ right[start : start + _TILE_COLUMNS].T
            # A search in a flat array takes a fraction of the time of one in two dimensions.
            passed = np.flatnonzero(reduced <= limit)
            if len(passed):
                rows = passed // reduced.shape[1]
                yield top, start, rows, passed - rows * reduced.shape[1]
