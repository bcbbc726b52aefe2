"""Clusters a bin, that is, whole components with all their pairs, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.components import Component, ComponentLabels, Space, build_component_algorithm
from lambda_worker.contract import ComponentsReply, InputError
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.features import read_points
from lambda_worker.tables.labels import NOISE
from lambda_worker.tables.members import MEMBER_COLUMNS, read_bin_pairs, sort_members
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bytes, Floats, Indices, Ints, Pairs
    from lambda_worker.clusterers.components import ComponentAlgorithm
    from lambda_worker.contract import ComponentsEvent
    from lambda_worker.tables.features import Features
    from lambda_worker.tables.members import Members


def cluster_components(event: ComponentsEvent) -> ComponentsReply:
    """Cluster each component of a bin and write the labels of its points.

    Labels and bytes do not depend on the order of rows and files.

    Raises:
        CapacityError: A component does not fit.
    """
    algorithm = build_component_algorithm(event.algorithm)
    space = Space(event.kind, event.columns, event.metric, event.threshold)
    members, pairs = _read_bin(event)
    labels = _Labels.empty(len(members))
    contested = 0
    for rows, part in _cluster_all(members, pairs, algorithm, space):
        labels.put(rows, part)
        contested += part.contested
    by_id = np.argsort(members.ids)
    written = write_table(
        event.output,
        {
            "point_id": members.ids.take(by_id),
            "component": members.components.take(by_id),
            "cluster": labels.cluster.take(by_id),
            "role": labels.role.take(by_id),
            "probability": labels.probability.take(by_id),
        },
    )
    return ComponentsReply(
        ok=True,
        rows=len(members.ids),
        bytes=written,
        components=len(members.starts),
        clusters=_count_clusters(members, labels.cluster),
        contested=contested,
    )


def _larger_components(members: Members[Features], pairs: Pairs) -> Iterator[tuple[slice, Component]]:
    """Yield the components of at least two points, each with the positions of its points."""
    a, b, distance = pairs
    larger = np.flatnonzero(members.sizes > 1)
    starts, ends = members.starts.take(larger), (members.starts + members.sizes).take(larger)
    first, last = np.searchsorted(a, starts), np.searchsorted(a, ends)
    for start, end, low, high in zip(
        starts.tolist(), ends.tolist(), first.tolist(), last.tolist(), strict=True
    ):
        rows, near = slice(start, end), slice(low, high)
        yield (
            rows,
            Component(
                members.ids[rows],
                members.weights[rows],
                members.features.take(rows),
                a[near] - start,
                b[near] - start,
                distance[near],
            ),
        )


def _read_bin(event: ComponentsEvent) -> tuple[Members[Features], Pairs]:
    columns, features = read_points(event.points, MEMBER_COLUMNS, event.kind, event.columns)
    members = sort_members(columns, features, event.point_count)
    del columns, features
    a, b, distance = read_bin_pairs(event.candidates, members.ids)
    apart = members.components.take(a) != members.components.take(b)
    if apart.any():
        one, other = (members.ids[ends[np.argmax(apart)]] for ends in (a, b))
        raise InputError(f"the points {one} and {other} are a pair, but of two components")
    return members, (a, b, distance)


@dataclass(slots=True)
class _Labels:
    """Collects the labels of a bin."""

    cluster: Ints
    role: Bytes
    probability: Floats

    @classmethod
    def empty(cls, points: int) -> _Labels:
        return cls(np.full(points, NOISE), np.zeros(points, np.uint8), np.ones(points))

    def put(self, rows: slice | Indices, part: ComponentLabels) -> None:
        self.cluster[rows] = part.cluster
        self.role[rows] = part.role
        if part.probability is not None:
            self.probability[rows] = part.probability


def _cluster_all(
    members: Members[Features], pairs: Pairs, algorithm: ComponentAlgorithm, space: Space
) -> Iterator[tuple[slice | Indices, ComponentLabels]]:
    single = members.starts.compress(members.sizes == 1)
    if len(single):
        yield single, algorithm.cluster_single(members.weights.take(single))
    for rows, component in _larger_components(members, pairs):
        check_deadline()
        yield rows, algorithm.cluster(component, space)


def _count_clusters(members: Members[Features], cluster: Ints) -> int:
    """Count the clusters; numbers within a component are below its size, so offsets keep them distinct."""
    own = np.repeat(members.starts, members.sizes) + cluster
    return len(np.unique(own.compress(cluster != NOISE)))
