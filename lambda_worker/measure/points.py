"""Points of a block in memory, one row of the array for each dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.parquet_io import read_features

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Points:
    """Numbered points.

    Attributes:
        ids: Shape (points,), int64.
        values: Shape (dimensions, points), float64, finite.
    """

    ids: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.intp] | slice) -> Points:
        """Some of the points, copied unless `rows` is a slice."""
        return Points(self.ids[rows], self.values[:, rows])


def join_points(one: Points, other: Points) -> Points:
    """The points of both, in this order."""
    if not len(other):
        return one
    if not len(one):
        return other
    ids = np.concatenate([one.ids, other.ids])
    return Points(ids, np.concatenate([one.values, other.values], axis=1))


def read_block(addresses: tuple[str, ...], columns: tuple[str, ...]) -> Points:
    """All points of some files.

    Args:
        addresses: Parquet files.
        columns: DOUBLE columns, one a dimension; or one ARRAY(DOUBLE) column.

    Raises:
        InputError: A file is not of the contract, or a value is not finite, or arrays differ in length.
    """
    home, halo = read_halo_block(addresses, columns, halo_column=None)
    return join_points(home, halo)


def read_halo_block(
    addresses: tuple[str, ...], columns: tuple[str, ...], halo_column: str | None
) -> tuple[Points, Points]:
    """The points at home in a block, and those of its halo: where `halo_column BIGINT` is not 0.

    Raises:
        InputError: As `read_block`.
    """
    numbers = ("point_id",) if halo_column is None else ("point_id", halo_column)
    ids, values, is_halo = [], [], []
    for address in addresses:
        for bigints, features in read_features(address, numbers, columns):
            ids.append(bigints[0])
            values.append(features)
            is_halo.append(bigints[-1] != 0 if halo_column else np.zeros(len(bigints[0]), np.bool_))
    if not ids:
        nothing = Points(np.empty(0, np.int64), np.empty((len(columns), 0)))
        return nothing, nothing
    if len({len(part) for part in values}) > 1:
        raise InputError(f"{addresses[0]}: arrays of column {columns[0]} differ in length from file to file")
    block = Points(np.concatenate(ids), np.concatenate(values, axis=1))
    outside = np.concatenate(is_halo)
    return block.take(np.flatnonzero(~outside)), block.take(np.flatnonzero(outside))
