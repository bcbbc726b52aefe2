"""Exact distances of listed pairs, by the very order of operations of the SQL statements.

Doubles are added dimension by dimension, beginning with the first; numpy's own sums and products of matrices
add in another order, so they only ever choose which pairs come here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.measure.points import Points

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_TINY, _MAGNIFIER = 2.0**-400, 2.0**700
_CHUNK = 1 << 15  # pairs at a time, so that a term of the sum stays in the cache


@dataclass(frozen=True, slots=True)
class NearPairs:
    """Which of the listed pairs are near, and how far apart those are; shapes (pairs,) and (near pairs,)."""

    is_near: NDArray[np.bool_]
    distance: NDArray[np.float64]


class Metric(Protocol):
    """How far apart two points are, and the largest such number that counts as near."""

    def measure(
        self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
    ) -> NearPairs:
        """Measure the pairs (one[rows[k]], other[columns[k]])."""
        ...


@dataclass(frozen=True, slots=True)
class Euclidean:
    """Root of the sum of squares; the test is made on the squares, as in scikit-learn's and scipy's trees."""

    threshold: float

    def measure(
        self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
    ) -> NearPairs:
        """See `Metric`; a distance is cut at the threshold, above which a root may round."""
        squared = np.empty(len(rows))
        for part in _chunks(len(rows)):
            total = squared[part]
            for k, difference in enumerate(_differences(one, rows[part], other, columns[part])):
                np.multiply(difference, difference, out=difference)
                np.copyto(total, difference) if k == 0 else np.add(total, difference, out=total)
        is_near = squared <= self.threshold * self.threshold
        return NearPairs(is_near, np.minimum(np.sqrt(squared[is_near]), self.threshold))


@dataclass(frozen=True, slots=True)
class Manhattan:
    """Sum of absolute differences."""

    threshold: float

    def measure(
        self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
    ) -> NearPairs:
        """See `Metric`."""
        return _fold(np.add, self.threshold, one, rows, (other, columns))


@dataclass(frozen=True, slots=True)
class Chebyshev:
    """Largest absolute difference."""

    threshold: float

    def measure(
        self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
    ) -> NearPairs:
        """See `Metric`."""
        return _fold(np.maximum, self.threshold, one, rows, (other, columns))


@dataclass(frozen=True, slots=True)
class Cosine:
    """1 - the product of two vectors of length 1 (see `directions`), cut to 0..2."""

    threshold: float

    def measure(
        self, one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
    ) -> NearPairs:
        """See `Metric`."""
        distance = np.empty(len(rows))
        for part in _chunks(len(rows)):
            product = distance[part]
            for k, (row, column) in enumerate(zip(one.values, other.values, strict=True)):
                term = row.take(rows[part])
                np.multiply(term, column.take(columns[part]), out=term)
                np.copyto(product, term) if k == 0 else np.add(product, term, out=product)
            np.clip(product, -1.0, 1.0, out=product)
            np.subtract(1.0, product, out=product)
        is_near = distance <= self.threshold
        return NearPairs(is_near, distance[is_near])


_METRICS: dict[str, type[Euclidean | Manhattan | Chebyshev | Cosine]] = {
    "euclidean": Euclidean,
    "manhattan": Manhattan,
    "chebyshev": Chebyshev,
    "cosine": Cosine,
}


def build_metric(name: str, threshold: float) -> Euclidean | Manhattan | Chebyshev | Cosine:
    """The metric of an event.

    Raises:
        ContractError: There is no such metric.
    """
    if name not in _METRICS:
        raise ContractError(f"unknown metric {name!r}; known are {', '.join(sorted(_METRICS))}")
    return _METRICS[name](threshold)


def directions(points: Points) -> Points:
    """The points as vectors of length 1, by the order of operations of sql/cells/cosine.sql.

    Vectors whose squares would vanish are multiplied by 2^700 first, which is exact. A vector of zeros stays
    one.
    """
    is_tiny = (np.abs(points.values) < _TINY).all(axis=0)
    values = points.values * np.where(is_tiny, _MAGNIFIER, 1.0)
    squared = np.zeros(len(points))
    for row in values:
        squared += row * row
    length = np.sqrt(squared)
    return Points(points.ids, values / np.where(length == 0, 1.0, length))


def _fold(
    combine: np.ufunc,
    threshold: float,
    one: Points,
    rows: NDArray[np.intp],
    against: tuple[Points, NDArray[np.intp]],
) -> NearPairs:
    other, columns = against
    distance = np.empty(len(rows))
    for part in _chunks(len(rows)):
        total = distance[part]
        for k, difference in enumerate(_differences(one, rows[part], other, columns[part])):
            np.abs(difference, out=difference)
            np.copyto(total, difference) if k == 0 else combine(total, difference, out=total)
    is_near = distance <= threshold
    return NearPairs(is_near, distance[is_near])


def _differences(
    one: Points, rows: NDArray[np.intp], other: Points, columns: NDArray[np.intp]
) -> Iterator[NDArray[np.float64]]:
    """The differences in each dimension, in order; the caller may overwrite them."""
    for row, column in zip(one.values, other.values, strict=True):
        difference = row.take(rows)
        difference -= column.take(columns)
        yield difference


def _chunks(pairs: int) -> Iterator[slice]:
    for start in range(0, pairs, _CHUNK):
        yield slice(start, start + _CHUNK)
