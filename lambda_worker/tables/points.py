"""Reads points: a block in memory, all points of a day with weights, or a shard in batches.

The arrays have one row per dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lambda_worker.arrays import Columns
from lambda_worker.contract import CapacityError, InputError
from lambda_worker.contract.kmeans import MOST_ENTITIES
from lambda_worker.tables.reading import BATCH_ROWS, check_weights, read_day, read_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Points(Columns):
    """Points with ids.

    Attributes:
        ids: Shape (points,), int64.
        values: Shape (dimensions, points), float64, finite.
    """

    axis: ClassVar[int] = -1

    ids: Ints
    values: Floats


def join_points(one: Points, other: Points) -> Points:
    """The points of both, in this order."""
    if not len(other):
        return one
    if not len(one):
        return other
    return Points.join(one, other)


def read_block(addresses: tuple[str, ...], columns: tuple[str, ...]) -> Points:
    """All points of some files.

    Args:
        addresses: Parquet files.
        columns: DOUBLE columns, one per dimension; or one ARRAY(DOUBLE) column.

    Raises:
        InputError: A file is not of the contract, or a value is not finite, or arrays differ in length.
    """
    return read_halo_block(addresses, columns, halo_column=None)[0]


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
    block = Points(np.concatenate(ids), values[0] if len(values) == 1 else np.concatenate(values, axis=1))
    outside = np.concatenate(is_halo)
    if not outside.any():
        return block, block.take(slice(0, 0))
    return block.take(np.flatnonzero(~outside)), block.take(np.flatnonzero(outside))


if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class WeightedPoints:
    """Points by id.

    Attributes:
        values: Shape (dimensions, points), float64, finite.
        weights: Shape (points,), int64, >= 1: entities of each.
    """

    values: Floats
    weights: Ints

    def __len__(self) -> int:
        return len(self.weights)


def read_weighted_points(
    addresses: tuple[str, ...], columns: tuple[str, ...], point_count: int
) -> WeightedPoints:
    """Read all points of a day.

    Raises:
        InputError: A file is not of the contract, ids are not dense, or a weight is below 1.
    """
    values = np.empty((len(columns), point_count))
    weights = np.empty(point_count, np.int64)
    for address, (ids, heavy), features in read_day(addresses, ("weight",), point_count, columns):
        check_weights(ids, heavy, address)
        if len(features) != len(columns):
            raise InputError(f"{address} holds {len(features)} dimensions, not {len(columns)}")
        values[:, ids] = features
        weights[ids] = heavy
    return WeightedPoints(values, weights)


_NUMBERS_AT_ONCE = 1 << 21
_ARRAY_ROWS = 1 << 12


@dataclass(frozen=True, slots=True)
class Batch(Columns):
    """Some points.

    Attributes:
        ids: Shape (points,), int64.
        weights: Shape (points,), int64, from 1.
        vectors: Shape (dimensions, points), float64, finite.
    """

    axis: ClassVar[int] = -1

    ids: Ints
    weights: Ints
    vectors: Floats


def no_points(dimensions: int) -> Batch:
    """A batch without points."""
    return Batch(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((dimensions, 0)))


def rows_at_once(columns: tuple[str, ...]) -> int:
    """Rows of a batch of points, so that a batch is some 16 MB; one column may hold long arrays."""
    return _ARRAY_ROWS if len(columns) == 1 else max(1024, min(BATCH_ROWS, _NUMBERS_AT_ONCE // len(columns)))


def read_points(
    addresses: tuple[str, ...], columns: tuple[str, ...], part: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """Stream points.

    Args:
        addresses: Points files.
        columns: The feature columns.
        part: `(k, n)`: every n-th batch from the k-th on.

    Raises:
        InputError: A file is not of the contract, a value is not finite, or vectors differ in length.
        CapacityError: There are more than `MOST_ENTITIES` entities.
    """
    rows = rows_at_once(columns)
    kept, parts = part
    count, entities, dimensions = 0, 0.0, None
    for address in addresses:
        for (ids, weights), vectors in read_features(address, ("point_id", "weight"), columns, rows):
            if dimensions not in (None, len(vectors)):
                raise InputError(f"{address}: vectors of {len(vectors)} dimensions, others of {dimensions}")
            dimensions = len(vectors)
            if count % parts == kept:
                if ids.min() < 0:
                    raise InputError(f"{address}: point id {ids.min()} is below 0")
                check_weights(ids, weights, address)
                entities += float(weights.sum(dtype=np.float64))
                check_entities(entities)
                yield Batch(ids, weights, vectors)
            count += 1


def check_entities(entities: float) -> None:
    """Refuse more entities than the sums have room for.

    Raises:
        CapacityError: There are more than `MOST_ENTITIES`.
    """
    if entities > MOST_ENTITIES:
        raise CapacityError(f"{entities:,.0f} entities; their sums have room for {MOST_ENTITIES:,}")
