"""What a round knows of the centres: exact sums, entities and points of each, as arrays and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.centroids.exact import ExactSums
from lambda_worker.centroids.files import SUMS, read_sums
from lambda_worker.centroids.points import check_entities
from lambda_worker.contract import InputError
from lambda_worker.forests.files import write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.centroids.exact import Groups

ENTITIES, POINTS = -1, -2
"""Dimensions of the file that hold counts."""


class CentreSums:
    """Sums over the points of each centre.

    Attributes:
        exact: Of weighted numbers; the columns are the dimensions of the file.
        entities: Shape (centres,), int64.
        points: Shape (centres,), int64.
    """

    def __init__(self, exact: ExactSums) -> None:
        self.exact = exact
        self.entities = np.zeros(exact.groups, np.int64)
        self.points = np.zeros(exact.groups, np.int64)

    @property
    def points_total(self) -> int:
        """Points of all centres."""
        return int(self.points.sum())

    @property
    def entities_total(self) -> int:
        """Entities of all centres."""
        return int(self.entities.sum())

    def count(self, groups: Groups) -> None:
        """Count points and their entities."""
        self.entities[groups.present] += groups.entities
        self.points[groups.present] += groups.points

    def write(self, address: str) -> tuple[int, int]:
        """Write all that is not 0; returns the rows, and the size of the file in bytes."""
        return write_columns(address, SUMS, self._rows())

    def _rows(self) -> Iterator[tuple[NDArray[np.int64], ...]]:
        for dimension, counts in ((ENTITIES, self.entities), (POINTS, self.points)):
            centres = np.flatnonzero(counts)
            place = np.full(len(centres), dimension), np.zeros(len(centres), np.int64)
            yield centres, *place, counts.take(centres)
        for level, sums in sorted(self.exact.levels.items()):
            dimensions, centres = np.nonzero(sums)
            yield centres, dimensions, np.full(len(centres), level), sums[dimensions, centres]


def merge_sums(addresses: tuple[str, ...], centres: int, dimensions: int) -> CentreSums:
    """Add up files.

    Args:
        addresses: Files of `CentreSums.write`.
        centres: Centres they may tell of.
        dimensions: Dimensions they may tell of.

    Raises:
        InputError: A file is no such file, or tells of others.
        CapacityError: There are too many entities to add up.
    """
    merged = CentreSums(ExactSums(centres, dimensions))
    for address in addresses:
        for rows in read_sums(address):
            _check(rows, centres, dimensions, address)
            _add(merged, rows)
        check_entities(float(merged.entities_total))
    return merged


def _add(merged: CentreSums, rows: tuple[NDArray[np.int64], ...]) -> None:
    centre, dimension, level, total = rows
    for code, counts in ((ENTITIES, merged.entities), (POINTS, merged.points)):
        at = dimension == code
        counts[centre[at]] += total[at]
    for one in np.unique(level[dimension >= 0]):
        at = (level == one) & (dimension >= 0)
        merged.exact.add_level(int(one), dimension[at], centre[at], total[at])


def _check(rows: tuple[Any, ...], centres: int, dimensions: int, address: str) -> None:
    centre, dimension = rows[:2]
    if centre.min() < 0 or centre.max() >= centres:
        raise InputError(f"{address} tells of other centres than 0..{centres - 1}")
    if dimension.min() < POINTS or dimension.max() >= dimensions:
        raise InputError(f"{address} tells of other dimensions than 0..{dimensions - 1}")
