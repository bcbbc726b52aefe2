"""Numbering: the labels of bins become those of a day, its clusters numbered by their smallest point id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.renumbering import number_by_smallest
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.graph import read_weights
from lambda_worker.labels import CORE_ROLE, NOISE, NOISE_ROLE, ROLES, Labels
from lambda_worker.parquet_io import BATCH_ROWS, read_features, write_labels
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract import NumberEvent

_COLUMNS = ("point_id", "component", "cluster", "role")
_NOT_SEEN = 255


def number_clusters(event: NumberEvent, batch_rows: int = BATCH_ROWS) -> ClusterReply:
    """Put the parts together and write the labels of the day.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    read = _read_parts(event, batch_rows)
    cluster, clusters = _number(read.component, read.cluster)
    role, probability = read.role, read.probability
    del read
    weights = read_weights(event.points, event.point_count, batch_rows)
    written = write_labels(event.output, Labels(cluster, role, clusters, probability))
    return ClusterReply(
        ok=True,
        rows=event.point_count,
        bytes=written,
        clusters=clusters,
        core_points=int(np.count_nonzero(role == CORE_ROLE)),
        noise_entities=int(weights[cluster == NOISE].sum(dtype=np.int64)),
    )


@dataclass(slots=True)
class _Parts:
    """What the parts say of each point, shape (points,) each; no probability while all are 1."""

    component: NDArray[np.signedinteger]
    cluster: NDArray[np.signedinteger]
    role: NDArray[np.uint8]
    probability: NDArray[np.float64] | None = None

    def put(
        self, ids: NDArray[np.int64], numbers: tuple[NDArray[np.int64], ...], probability: NDArray[np.float64]
    ) -> None:
        self.component[ids], self.cluster[ids], self.role[ids] = numbers
        if self.probability is None and bool((probability != 1).any()):
            self.probability = np.ones(len(self.role))
        if self.probability is not None:
            self.probability[ids] = probability


def _read_parts(event: NumberEvent, batch_rows: int) -> _Parts:
    points = event.point_count
    whole = index_type(points)
    parts = _Parts(np.empty(points, whole), np.empty(points, whole), np.full(points, _NOT_SEEN, np.uint8))
    rows = 0
    for address in event.parts:
        for (ids, *numbers), (probability,) in read_features(address, _COLUMNS, ("probability",), batch_rows):
            _check(ids, numbers, points, address)
            if not bool(((probability >= 0) & (probability <= 1)).all()):
                raise InputError(f"a probability of {address} is not in 0..1")
            parts.put(ids, tuple(numbers), probability)
            rows += len(ids)
    if rows != points or bool((parts.role == _NOT_SEEN).any()):
        raise InputError(f"the parts hold {rows} rows for {points} points; each must come once")
    return parts


def _check(ids: NDArray[np.int64], numbers: list[NDArray[np.int64]], points: int, address: str) -> None:
    component, cluster, role = numbers
    if ids.min() < 0 or ids.max() >= points:
        raise InputError(f"{address} labels point {ids[(ids < 0) | (ids >= points)][0]} of {points}")
    if component.min() < 0 or component.max() >= points or cluster.min() < NOISE or cluster.max() >= points:
        raise InputError(
            f"{address} holds numbers of components or clusters that {points} points cannot have"
        )
    if role.min() < 0 or role.max() >= len(ROLES) or bool(((cluster == NOISE) != (role == NOISE_ROLE)).any()):
        raise InputError(f"{address} holds roles that do not belong to the clusters beside them")


def _number(
    component: NDArray[np.signedinteger], cluster: NDArray[np.signedinteger]
) -> tuple[NDArray[np.signedinteger], int]:
    """Clusters of the day instead of those within components, and how many there are."""
    sizes = np.bincount(component)
    if bool((cluster >= sizes.take(component)).any()):
        raise InputError("a cluster has a number that its component has no point for")
    # With at most as many clusters as points in each component, these keys are distinct and below the points.
    key = (np.cumsum(sizes) - sizes).take(component) + cluster
    key[cluster == NOISE] = NOISE
    return number_by_smallest(key)
