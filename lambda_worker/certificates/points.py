"""All points of a day in memory, by id, with their weights; and what a certificate of them holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.parquet_io import read_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class WeightedPoints:
    """Points by id.

    Attributes:
        values: Shape (dimensions, points), float64, finite.
        weights: Shape (points,), int64, >= 1: entities of each.
    """

    values: NDArray[np.float64]
    weights: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weights)


class Certificate(Protocol):
    """Cores, and enough near pairs."""

    @property
    def tested(self) -> int:
        """Distances computed so far."""
        ...

    @property
    def core(self) -> NDArray[np.bool_]:
        """Which points are core; shape (points,)."""
        ...

    def pairs(self) -> Iterator[Pairs]:
        """Smaller ids, larger ids and distances, some pairs at a time; each shape (pairs,)."""
        ...


def read_weighted_points(
    addresses: tuple[str, ...], columns: tuple[str, ...], point_count: int
) -> WeightedPoints:
    """Read all points of a day.

    Raises:
        InputError: A file is not of the contract, ids are not dense, or a weight is below 1.
    """
    values = np.empty((len(columns), point_count))
    weights = np.zeros(point_count, np.int64)
    rows = 0
    for address in addresses:
        for (ids, heavy), features in read_features(address, ("point_id", "weight"), columns):
            if ids.min() < 0 or ids.max() >= point_count or heavy.min() < 1:
                raise InputError(f"{address} holds an id outside 0..{point_count - 1}, or a weight below 1")
            if len(features) != len(columns):
                raise InputError(f"{address} holds {len(features)} dimensions, not {len(columns)}")
            values[:, ids] = features
            weights[ids] = heavy
            rows += len(ids)
    if rows != point_count or not weights.all():
        raise InputError(f"the files hold {rows} points of {point_count}, or ids are not dense")
    return WeightedPoints(values, weights)
