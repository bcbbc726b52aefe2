"""Points of some clusters in memory, and the distances among them, for every kind of features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.components.distances import pairwise
from lambda_worker.components.features import read_points
from lambda_worker.contract import InputError
from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.profiles.gower import read_mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.components.features import Features
    from lambda_worker.contract.profiles import SpaceEvent

_NUMBERS = ("point_id", "weight", "component")


class Space(Protocol):
    """What the points are compared by."""

    def distances(self, rows: slice) -> NDArray[np.float64]:
        """The distance of some points to each other, shape (rows, rows)."""
        ...

    def ordered(self, order: NDArray[np.intp]) -> Space:
        """The same points in another order."""
        ...


@dataclass(frozen=True, slots=True)
class PlainSpace:
    """Features of one kind."""

    features: Features
    metric: str

    def distances(self, rows: slice) -> NDArray[np.float64]:
        """See `Space`."""
        return pairwise(self.features.take(rows), self.metric)

    def ordered(self, order: NDArray[np.intp]) -> PlainSpace:
        """See `Space`."""
        return PlainSpace(self.features.take(order), self.metric)


@dataclass(frozen=True, slots=True)
class ClusterPoints:
    """Points of whole clusters, or samples of them, by (cluster, id).

    Attributes:
        ids: Shape (points,).
        weights: Shape (points,): entities of each.
        clusters: Shape (points,), the number of the cluster of each.
        starts: Shape (clusters,), the position of the first point of each cluster.
        space: Of the points.
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    clusters: NDArray[np.int64]
    starts: NDArray[np.intp]
    space: Space

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last (exclusive) position of each cluster."""
        ends = np.append(self.starts[1:], len(self.ids))
        return list(zip(self.starts.tolist(), ends.tolist(), strict=True))


def read_clusters(event: SpaceEvent, batch_rows: int = BATCH_ROWS) -> ClusterPoints:
    """Read the points of an event; the result depends neither on batches nor on the order of rows and files.

    Raises:
        InputError: A file is not of the contract, another number of points came, or one came twice.
        ContractError: The kind has other columns.
    """
    (ids, weights, clusters), space = _read(event, batch_rows)
    if len(ids) != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {len(ids)}")
    order = np.lexsort((ids, clusters))
    ids, weights, clusters = ids.take(order), weights.take(order), clusters.take(order)
    if len(np.unique(ids)) != len(ids):
        raise InputError("a point comes twice")
    if len(ids) and int(weights.min()) < 1:
        raise InputError(f"point {ids[np.argmin(weights)]} has a weight below 1")
    starts = np.flatnonzero(np.diff(clusters, prepend=clusters[:1] - 1))
    return ClusterPoints(ids, weights, clusters, starts, space.ordered(order))


def _read(event: SpaceEvent, batch_rows: int) -> tuple[tuple[NDArray[np.int64], ...], Space]:
    if event.kind == "mixed":
        return read_mixed(event.points, _NUMBERS, event.parts, batch_rows)
    numbers, features = read_points(event.points, _NUMBERS, event.kind, event.columns, batch_rows)
    return numbers, PlainSpace(features, event.metric)
