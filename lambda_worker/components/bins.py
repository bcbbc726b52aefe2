"""A bin: whole components, brought together with all their pairs, clustered one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components import Component, ComponentLabels, Space, build_component_algorithm
from lambda_worker.components.features import read_points
from lambda_worker.components.files import write_table
from lambda_worker.contract import ComponentsReply, InputError
from lambda_worker.deadline import check_deadline
from lambda_worker.labels import NOISE
from lambda_worker.parquet_io import BATCH_ROWS, read_features

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.components import ComponentAlgorithm
    from lambda_worker.components.features import Features
    from lambda_worker.contract import ComponentsEvent

_NUMBERS = ("point_id", "weight", "component")


def cluster_components(event: ComponentsEvent, batch_rows: int = BATCH_ROWS) -> ComponentsReply:
    """Cluster each component of a bin and write the labels of its points.

    Labels and bytes depend neither on `batch_rows` nor on the order of rows and files.

    Raises:
        ContractError: The event or an input file is not of the contract.
        CapacityError: A component does not fit.
    """
    algorithm = build_component_algorithm(event.algorithm)
    space = Space(event.kind, event.columns, event.metric, event.threshold)
    content = read_bin(event, batch_rows)
    labels = _Labels.empty(len(content.ids))
    for rows, part in _cluster_all(content, algorithm, space):
        labels.put(rows, part)
    by_id = np.argsort(content.ids)
    written = write_table(
        event.output,
        {
            "point_id": content.ids.take(by_id),
            "component": content.components.take(by_id),
            "cluster": labels.cluster.take(by_id),
            "role": labels.role.take(by_id),
            "probability": labels.probability.take(by_id),
        },
    )
    return ComponentsReply(
        ok=True,
        rows=len(content.ids),
        bytes=written,
        components=len(content.starts),
        clusters=_count_clusters(content, labels.cluster),
    )


@dataclass(frozen=True, slots=True)
class Content:
    """All of a bin; points ascend by (component, id), pairs by the positions of their points.

    Attributes:
        ids: Shape (points,).
        weights: Shape (points,).
        components: Shape (points,), the component of each point.
        features: Of the points.
        starts: Shape (components,), the position of the first point of each component.
        a: Shape (pairs,), positions.
        b: Shape (pairs,), higher positions.
        distance: Shape (pairs,).
    """

    ids: NDArray[np.int64]
    weights: NDArray[np.int64]
    components: NDArray[np.int64]
    features: Features
    starts: NDArray[np.intp]
    a: NDArray[np.intp]
    b: NDArray[np.intp]
    distance: NDArray[np.float64]

    def larger_components(self) -> Iterator[tuple[slice, Component]]:
        """Those of at least two points, each with the positions of its points."""
        ends = np.append(self.starts[1:], len(self.ids))
        larger = np.flatnonzero(ends - self.starts > 1)
        starts, ends = self.starts.take(larger), ends.take(larger)
        bounds = zip(
            starts.tolist(),
            ends.tolist(),
            np.searchsorted(self.a, starts).tolist(),
            np.searchsorted(self.a, ends).tolist(),
            strict=True,
        )
        for start, end, first, last in bounds:
            rows, pairs = slice(start, end), slice(first, last)
            yield (
                rows,
                Component(
                    self.ids[rows],
                    self.weights[rows],
                    self.features.take(rows),
                    self.a[pairs] - start,
                    self.b[pairs] - start,
                    self.distance[pairs],
                ),
            )


def read_bin(event: ComponentsEvent, batch_rows: int = BATCH_ROWS) -> Content:
    """Read the points and pairs of a bin.

    Raises:
        InputError: A file is not of the contract, a point comes twice or another number of points came, or a
            pair comes twice, names no point or joins two components.
    """
    (ids, weights, components), features = read_points(
        event.points, _NUMBERS, event.kind, event.columns, batch_rows
    )
    if len(ids) != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {len(ids)}")
    order = np.lexsort((ids, components))
    ids, weights, components = ids.take(order), weights.take(order), components.take(order)
    features = features.take(order)
    if len(weights) and int(weights.min()) < 1:
        raise InputError(f"point {ids[np.argmin(weights)]} has a weight below 1")
    starts = np.flatnonzero(np.diff(components, prepend=components[:1] - 1))
    places = _Places(ids)
    a, b, distance = _read_pairs(event.candidates, places, batch_rows)
    apart = components.take(a) != components.take(b)
    if apart.any():
        row = int(np.argmax(apart))
        raise InputError(f"the points {ids[a[row]]} and {ids[b[row]]} are a pair, but of two components")
    return Content(ids, weights, components, features, starts, a, b, distance)


class _Places:
    """Where the points of some ids are."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self._order = np.argsort(ids)
        self._ids = ids.take(self._order)
        twice = self._ids[1:] == self._ids[:-1]
        if twice.any():
            raise InputError(f"point {self._ids[int(np.argmax(twice))]} comes twice")

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, ids: NDArray[np.int64], address: str) -> NDArray[np.intp]:
        at = np.searchsorted(self._ids, ids)
        stray = np.append(self._ids, -1).take(at) != ids
        if stray.any():
            raise InputError(
                f"{address}: a pair names point {ids[np.argmax(stray)]}, which is not in the bin"
            )
        return self._order.take(at)


def _read_pairs(
    addresses: tuple[str, ...], places: _Places, batch_rows: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Positions and distance of each pair, ascending by positions."""
    keys, distances = [np.empty(0, np.int64)], [np.empty(0)]
    for address in addresses:
        for (first, second), (distance,) in read_features(
            address, ("point_a", "point_b"), ("distance",), batch_rows
        ):
            one, other = places.of(first, address), places.of(second, address)
            keys.append(np.minimum(one, other) * len(places) + np.maximum(one, other))
            distances.append(distance)
    key = np.concatenate(keys)
    keys.clear()
    order = np.argsort(key)
    key = key.take(order)
    if bool((key[1:] == key[:-1]).any()):
        raise InputError("a pair comes twice among the candidates of the bin")
    distance = np.concatenate(distances).take(order)
    a, b = np.divmod(key, max(len(places), 1))
    return a, b, distance


@dataclass(slots=True)
class _Labels:
    """Labels of a bin as they are found."""

    cluster: NDArray[np.int64]
    role: NDArray[np.uint8]
    probability: NDArray[np.float64]

    @classmethod
    def empty(cls, points: int) -> _Labels:
        return cls(np.full(points, NOISE), np.zeros(points, np.uint8), np.ones(points))

    def put(self, rows: slice | NDArray[np.intp], part: ComponentLabels) -> None:
        self.cluster[rows] = part.cluster
        self.role[rows] = part.role
        if part.probability is not None:
            self.probability[rows] = part.probability


def _cluster_all(
    content: Content, algorithm: ComponentAlgorithm, space: Space
) -> Iterator[tuple[slice | NDArray[np.intp], ComponentLabels]]:
    sizes = np.diff(np.append(content.starts, len(content.ids)))
    single = content.starts.compress(sizes == 1)
    if len(single):
        yield single, algorithm.cluster_single(content.weights.take(single))
    for rows, component in content.larger_components():
        check_deadline()
        yield rows, algorithm.cluster(component, space)


def _count_clusters(content: Content, cluster: NDArray[np.int64]) -> int:
    """Clusters are numbered below the size of their component, so these numbers never meet."""
    own = np.repeat(content.starts, np.diff(np.append(content.starts, len(cluster)))) + cluster
    return len(np.unique(own.compress(cluster != NOISE)))
