"""Combines the labels of bins into those of a day, with clusters numbered by their smallest point id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.contract import ClusterReply, InputError
from lambda_worker.graph.pairs import read_weights
from lambda_worker.graph.union_find import index_type
from lambda_worker.tables.labels import NOISE, NOISE_ROLE, ROLES, Labels, number_by_smallest
from lambda_worker.tables.reading import read_day

if TYPE_CHECKING:
    from lambda_worker.arrays import Bytes, Floats, Ints, SignedInts
    from lambda_worker.contract import NumberEvent


def number_clusters(event: NumberEvent) -> ClusterReply:
    """Combine the parts and write the labels of the day."""
    read = _read_parts(event)
    cluster = _number(read.component, read.cluster)
    labels = Labels(cluster, read.role, number_by_smallest(cluster), read.probability)
    del read
    weights = read_weights(event.points, event.point_count)
    return write_day(ClusterReply, event.output, labels, weights)


@dataclass(slots=True)
class _Parts:
    """The labels of all parts, shape (points,) each; no probability while all are 1."""

    component: SignedInts
    cluster: SignedInts
    role: Bytes
    probability: Floats | None = None

    def put(self, ids: Ints, numbers: list[Ints], probability: Floats) -> None:
        self.component[ids], self.cluster[ids], self.role[ids] = numbers
        if self.probability is None and bool((probability != 1).any()):
            self.probability = np.ones(len(self.role))
        if self.probability is not None:
            self.probability[ids] = probability


def _read_parts(event: NumberEvent) -> _Parts:
    points = event.point_count
    whole = index_type(points)
    parts = _Parts(np.empty(points, whole), np.empty(points, whole), np.empty(points, np.uint8))
    names = ("component", "cluster", "role")
    for address, (ids, *numbers), (probability,) in read_day(event.parts, names, points, ("probability",)):
        _check(numbers, points, address)
        if not bool(((probability >= 0) & (probability <= 1)).all()):
            raise InputError(f"a probability of {address} is not in 0..1")
        parts.put(ids, numbers, probability)
    return parts


def _check(numbers: list[Ints], points: int, address: str) -> None:
    component, cluster, role = numbers
    if component.min() < 0 or component.max() >= points or cluster.min() < NOISE or cluster.max() >= points:
        raise InputError(
            f"{address} holds numbers of components or clusters that {points} points cannot have"
        )
    if role.min() < 0 or role.max() >= len(ROLES) or bool(((cluster == NOISE) != (role == NOISE_ROLE)).any()):
        raise InputError(f"{address} holds roles that do not belong to the clusters beside them")


def _number(component: SignedInts, cluster: SignedInts) -> SignedInts:
    """Return clusters of the day instead of those within components."""
    sizes = np.bincount(component)
    if bool((cluster >= sizes.take(component)).any()):
        raise InputError("a cluster has a number that its component has no point for")
    # With at most as many clusters as points in each component, these keys are distinct and below the points.
    key = (np.cumsum(sizes) - sizes).take(component) + cluster
    key[cluster == NOISE] = NOISE
    return key
