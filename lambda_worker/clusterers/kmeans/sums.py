"""Fixed-point sums: the same bits for any order and any split of the points.

Coordinates are relative to the middle of the day's range in units of that range, squared distances in units
of the largest one. Such a number is below 1 and becomes three integers: multiples of 2^-24, 2^-48 and 2^-72,
which are added as 64-bit integers. So each point is rounded on its own, and only once more at 2^-73 of the
range, whereas scikit-learn rounds every sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.kernel import loaded
from lambda_worker.tables.arrays import read_arrays
from lambda_worker.tables.points import check_entities

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.tables.points import Batch

_PARTS, _STEP = 3, 2.0**24
# The reciprocal of a smaller power of two is no double; sums of so small numbers only lose accuracy.
_SMALLEST_POWER = -1000

SUMS = ("totals", "entities", "points")
"""Names of the arrays of `RoundSums` in a file."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units of coordinates and squared distances.

    Attributes:
        origin: Shape (dimensions, 1): the middle of the range.
        width: Shape (dimensions, 1): a power of two, at least the range.
        square: A power of two, at least the squared distance of any two points.
    """

    origin: Floats
    width: Floats
    square: float

    @classmethod
    def of_range(cls, low: Floats, high: Floats) -> Units:
        """Units for points between two corners, shapes (dimensions,).

        Raises:
            InputError: The squared distance of the corners is no double.
        """
        with np.errstate(over="ignore"):
            lengths = high - low
            square = float(np.square(lengths).sum())
        if not math.isfinite(square):
            raise InputError(
                f"the points are up to {lengths.max():g} apart; k-means takes squares of that, which are "
                "no doubles beyond 1e150: scale the features"
            )
        powers = np.maximum(np.frexp(lengths)[1], _SMALLEST_POWER)
        return cls(
            origin=(low / 2 + high / 2)[:, np.newaxis],
            width=np.ldexp(1.0, powers)[:, np.newaxis],
            square=math.ldexp(1.0, max(math.frexp(square)[1] + 1, _SMALLEST_POWER)),
        )


class RoundSums:
    """Sums over the points nearest to each centre.

    Attributes:
        totals: Shape (parts, dimensions + 1, centres), int64: of weighted coordinates, and in the last row of
            weighted squared distances.
        entities: Shape (centres,), int64.
        points: Points of all centres.
    """

    def __init__(self, dimensions: int, centres: int) -> None:
        self.totals = np.zeros((_PARTS, dimensions + 1, centres), np.int64)
        self.entities = np.zeros(centres, np.int64)
        self.points = 0

    def add(self, batch: Batch, labels: Indices, distances: Floats, units: Units) -> None:
        """Add points to their centres; a negative weight takes them away again.

        Args:
            batch: The points.
            labels: Shape (points,): the centre of each.
            distances: Shape (points,): squared, to that centre.
            units: Of the day.
        """
        for axis, (numbers, origin, width) in enumerate(
            zip(batch.vectors, units.origin[:, 0].tolist(), units.width[:, 0].tolist(), strict=True)
        ):
            _add_fixed(self.totals[:, axis], labels, (numbers - origin) / width, batch.weights)
        _add_fixed(self.totals[:, -1], labels, distances / units.square, batch.weights)
        np.add.at(self.entities, labels, batch.weights)

    def inertia(self, units: Units) -> float:
        """Sum over the entities of the squared distance to their centre."""
        parts = self.totals[:, -1].sum(axis=1)
        with np.errstate(over="ignore"):
            return float(np.minimum(_joined(parts) * units.square, np.finfo(np.float64).max))

    def means(self, units: Units) -> Floats:
        """Means of the entities of each centre, shape (dimensions, centres); NaN where there are none."""
        with np.errstate(invalid="ignore"):
            means: Floats = _joined(self.totals[:, :-1]) / self.entities
        return units.origin + means * units.width


def merge_sums(addresses: tuple[str, ...], shape: tuple[int, int], point_count: int) -> RoundSums:
    """Add up the sums of the shards of a day.

    Args:
        addresses: Files with the arrays `SUMS`.
        shape: Dimensions, centres.
        point_count: Points of the day.

    Raises:
        InputError: A file has other arrays, or the shards hold another number of points.
        CapacityError: There are too many entities to add up.
    """
    sums = RoundSums(*shape)
    for address in addresses:
        totals, entities, points = read_arrays(address, SUMS)
        if totals.shape != sums.totals.shape or entities.shape != sums.entities.shape:
            raise InputError(f"{address} is about other centres: {totals.shape}, not {sums.totals.shape}")
        sums.totals += totals
        sums.entities += entities
        sums.points += int(points)
        check_entities(float(sums.entities.sum()))
    if sums.points != point_count:
        raise InputError(f"the event promises {point_count} points, the shards {sums.points}")
    return sums


def _add_fixed(totals: Ints, labels: Indices, numbers: Floats, weights: Ints) -> None:
    """Add weighted numbers below 1 to the totals of their centres.

    Args:
        totals: Shape (parts, centres).
        labels: Shape (points,).
        numbers: Shape (points,). Overwritten.
        weights: Shape (points,).
    """
    if kernel := loaded():
        kernel.add_fixed(totals, labels, numbers, weights)
        return
    for row in totals:
        numbers *= _STEP
        whole = np.rint(numbers)
        numbers -= whole
        np.add.at(row, labels, whole.astype(np.int64) * weights)


def _joined(parts: Ints) -> Floats:
    """Sums of parts as doubles, the finest part first; the first axis is the parts."""
    total = np.zeros(parts.shape[1:])
    for part in parts[::-1]:
        total = (total + part) / _STEP
    return total
