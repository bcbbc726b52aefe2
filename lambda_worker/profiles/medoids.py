"""The middle of each cluster: its medoid, how far its entities are from it, and exemplars on the way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.contract.profiles import ProfileReply
from lambda_worker.deadline import check_deadline
from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.profiles.points import read_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.profiles import MedoidsEvent

_BLOCK = 1 << 19  # products of distances and weights at a time
# Sums of the same distances in another order differ by less: points that differ by no more are equal.
_TIE = 1 + 2.0**-40


def find_medoids(event: MedoidsEvent, batch_rows: int = BATCH_ROWS) -> ProfileReply:
    """Write medoid, cohesion and exemplars of each cluster of a bin.

    What is written of a cluster depends on its points alone, whatever else is in the bin.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    content = read_clusters(event, batch_rows)
    found = []
    for start, end in content.bounds:
        check_deadline()
        rows = slice(start, end)
        middle = (
            _Middle.alone()
            if end - start == 1
            else _middle_of(content.space.distances(rows), content.weights[rows])
        )
        order = middle.exemplars(event.exemplars)
        found.append(
            {
                "cluster": np.full(len(order), content.clusters[start]),
                "rank": np.arange(len(order)),
                "point_id": content.ids[rows].take(order),
                "distance": middle.distance.take(order),
                "cohesion": np.full(len(order), middle.cohesion),
                "points": np.full(len(order), end - start),
            }
        )
    written = write_table(event.output, {name: _joined(found, name) for name in _COLUMNS})
    return ProfileReply(ok=True, rows=len(content.ids), clusters=len(found), bytes=written)


_COLUMNS = ("cluster", "rank", "point_id", "distance", "cohesion", "points")


@dataclass(frozen=True, slots=True)
class _Middle:
    """A medoid.

    Attributes:
        row: Its place among the points of the cluster.
        distance: Of each point to it, shape (points,).
        cohesion: Mean of these over the entities.
    """

    row: int
    distance: NDArray[np.float64]
    cohesion: float

    @classmethod
    def alone(cls) -> _Middle:
        return cls(0, np.zeros(1), 0.0)

    def exemplars(self, count: int) -> NDArray[np.intp]:
        """Points at equal steps of the order by distance; ids ascend with the rows, and decide ties."""
        points = np.arange(len(self.distance))
        order = np.lexsort((points, points != self.row, self.distance))
        count = min(count, len(order))
        steps = np.arange(count) * (len(order) - 1) // max(1, count - 1)
        return order.take(steps)


def _middle_of(matrix: NDArray[np.float64], weights: NDArray[np.int64]) -> _Middle:
    entities = weights.astype(np.float64)
    sums = np.empty(len(matrix))
    rows = max(1, _BLOCK // len(matrix))
    for start in range(0, len(matrix), rows):
        part = slice(start, start + rows)
        sums[part] = (matrix[part] * entities).sum(axis=1)
    row = int(np.flatnonzero(sums <= sums.min() * _TIE)[0])
    return _Middle(row, matrix[row].copy(), float(sums[row] / entities.sum()))


def _joined(found: list[dict[str, NDArray[Any]]], name: str) -> NDArray[Any]:
    if found:
        return np.concatenate([one[name] for one in found])
    return np.empty(0, np.float64 if name in ("distance", "cohesion") else np.int64)
