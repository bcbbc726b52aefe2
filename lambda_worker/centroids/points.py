"""The points of a shard, a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import CapacityError, InputError
from lambda_worker.contract.centroids import MOST_ENTITIES
from lambda_worker.parquet_io import BATCH_ROWS, read_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_NUMBERS_AT_ONCE = 1 << 21
_ARRAY_ROWS = 1 << 12


@dataclass(frozen=True, slots=True)
class Batch:
    """Some points.

    Attributes:
        ids: Shape (points,), int64.
        weights: Shape (points,), int64, from 1.
        vectors: Shape (dimensions, points), float64, finite.
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    vectors: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.intp] | slice) -> Batch:
        """Some of them, copied unless `rows` is a slice."""
        return Batch(self.ids[rows], self.weights[rows], self.vectors[:, rows])


def rows_at_once(columns: tuple[str, ...]) -> int:
    """Rows of a batch of points, so that a batch is some 16 MB; one column may hold long arrays."""
    return _ARRAY_ROWS if len(columns) == 1 else max(1024, min(BATCH_ROWS, _NUMBERS_AT_ONCE // len(columns)))


def read_points(
    addresses: tuple[str, ...],
    columns: tuple[str, ...],
    part: tuple[int, int] = (0, 1),
    batch_rows: int | None = None,
) -> Iterator[Batch]:
    """Stream points.

    Args:
        addresses: Points files.
        columns: The feature columns.
        part: `(k, n)`: every n-th batch from the k-th on.
        batch_rows: Rows of a batch; all parts must agree on it. None: `rows_at_once`.

    Raises:
        InputError: A file is not of the contract, a value is not finite, or vectors differ in length.
        CapacityError: There are more than `MOST_ENTITIES` entities.
    """
    rows = rows_at_once(columns) if batch_rows is None else batch_rows
    kept, parts = part
    count, entities, dimensions = 0, 0.0, None
    for address in addresses:
        for (ids, weights), vectors in read_features(address, ("point_id", "weight"), columns, rows):
            if dimensions not in (None, len(vectors)):
                raise InputError(f"{address}: vectors of {len(vectors)} dimensions, others of {dimensions}")
            dimensions = len(vectors)
            if count % parts == kept:
                _check(ids, weights, address)
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


def _check(ids: NDArray[np.int64], weights: NDArray[np.int64], address: str) -> None:
    if ids.min() < 0:
        raise InputError(f"{address}: point id {ids.min()} is below 0")
    if weights.min() < 1:
        at = int(np.argmin(weights))
        raise InputError(
            f"{address}: point {ids[at]} has weight {weights[at]}; a point has at least one entity"
        )
