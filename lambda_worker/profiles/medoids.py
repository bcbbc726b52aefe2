"""The medoid of each cluster, the distances of its entities to it, and exemplars at growing distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract.profiles import ProfileReply
from lambda_worker.profiles.points import distances, read_clusters
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.contract.profiles import MedoidsEvent

_BLOCK = 1 << 19  # products of distances and weights at a time
# Sums of the same distances in another order differ by less than this, so such points count as equal.
_TIE = 1 + 2.0**-40


def find_medoids(event: MedoidsEvent) -> ProfileReply:
    """Write medoid, cohesion and exemplars of each cluster of a bin.

    The output for a cluster depends only on its points, not on the rest of the bin.
    """
    content = read_clusters(event)
    found = []
    for start, size in zip(content.starts.tolist(), content.sizes.tolist(), strict=True):
        check_deadline()
        rows = slice(start, start + size)
        if size == 1:
            middle = _Middle(0, np.zeros(1), 0.0)
        else:
            matrix = distances(content.features.take(rows), event.metric)
            middle = _middle_of(matrix, content.weights[rows])
        order = middle.exemplars(event.exemplars)
        found.append(
            {
                "cluster": np.full(len(order), content.components[start]),
                "rank": np.arange(len(order)),
                "point_id": content.ids[rows].take(order),
                "distance": middle.distance.take(order),
                "cohesion": np.full(len(order), middle.cohesion),
                "points": np.full(len(order), size),
            }
        )
    written = write_table(event.output, {name: _joined(found, name) for name in _COLUMNS})
    return ProfileReply(ok=True, rows=len(content.ids), clusters=len(found), bytes=written)


_COLUMNS = ("cluster", "rank", "point_id", "distance", "cohesion", "points")


@dataclass(frozen=True, slots=True)
class _Middle:
    """A medoid."""

    row: int  # its position among the points of the cluster
    distance: Floats  # of each point to it, shape (points,)
    cohesion: float  # mean distance over the entities

    def exemplars(self, count: int) -> Indices:
        """Return points at equal steps in the order by distance; ids ascend with the rows and break ties."""
        points = np.arange(len(self.distance))
        order = np.lexsort((points, points != self.row, self.distance))
        count = min(count, len(order))
        steps = np.arange(count) * (len(order) - 1) // max(1, count - 1)
        return order.take(steps)


def _middle_of(matrix: Floats, weights: Ints) -> _Middle:
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
