"""The operation `explore`: what every setting of a grid makes of a day, and how far neighbours agree."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.contract.exploring import CoreCurve, ExploreReply, Setting, adjusted_rand
from lambda_worker.exploring.grid import GrowingClusters, entities_by_cluster, find_cores
from lambda_worker.exploring.levels import PairLevels
from lambda_worker.graph.pairs import read_weights
from lambda_worker.profiles.points import distances, read_clusters
from lambda_worker.profiles.silhouettes import silhouettes
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.labels import NOISE
from lambda_worker.tables.writing import write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Floats, Ints, SignedInts, UnsignedInts
    from lambda_worker.contract.exploring import ExploreEvent, Sample
    from lambda_worker.exploring.grid import Cores

_DIGITS = 9


def explore(event: ExploreEvent) -> ExploreReply:
    """Cluster a day with every setting; the result does not depend on the order of rows and files.

    Raises:
        InputError: A file is not of the contract, or the settings are not ascending.
    """
    _check_ascending(event.thresholds, "thresholds")
    _check_ascending(event.min_samples, "min_samples")
    edges = np.unique(np.array([*event.thresholds, *event.curve], np.float64))
    edges = edges[edges <= event.thresholds[-1]]
    weights = read_weights(event.points, event.point_count)
    pairs = PairLevels(event.candidates, event.point_count, edges)
    cores = find_cores(pairs, weights, event.min_samples, len(edges))
    exploration = _Exploration(event, edges, weights, pairs)
    rows = written = 0
    if event.output is None:
        for _ in exploration.label_all(cores):
            pass
    else:
        rows, written = write_columns(
            event.output, ("min_samples", "level", "point_id", "cluster"), exploration.label_all(cores)
        )
    return ExploreReply(
        ok=True,
        pairs=pairs.count,
        entities=int(weights.sum(dtype=np.int64)),
        settings=tuple(exploration.settings),
        curves=exploration.curves(cores),
        rows=rows,
        bytes=written,
    )


class _Exploration:
    """Labels the points with every setting and keeps what is compared."""

    def __init__(self, event: ExploreEvent, edges: Floats, weights: UnsignedInts, pairs: PairLevels) -> None:
        self.settings: list[Setting] = []
        self._event = event
        self._edges = edges
        self._weights = weights
        self._pairs = pairs
        self._sampled = None if event.sample is None else _Sampled(event.sample)

    def label_all(self, cores: list[Cores]) -> Iterator[tuple[Any, ...]]:
        """Yield the columns of the output for each setting, by (min_samples, threshold)."""
        before: list[_Labelled] = []
        points = np.arange(len(self._weights))
        for min_samples, found in zip(self._event.min_samples, cores, strict=True):
            growing = GrowingClusters(self._pairs, found, len(self._edges))
            row: list[_Labelled] = []
            for place, threshold in enumerate(self._event.thresholds):
                check_deadline()
                cluster, clusters = growing.grow(int(np.searchsorted(self._edges, threshold)))
                labelled = _Labelled(cluster, clusters, self._weights)
                smaller = row[-1] if row else None
                fewer = before[place] if before else None
                self._note(threshold, min_samples, labelled, (smaller, fewer))
                row.append(labelled)
                if len(points):
                    setting = (np.full(len(points), value) for value in (min_samples, place))
                    yield *setting, points, cluster.astype(np.int64)
            before = row

    def curves(self, cores: list[Cores]) -> tuple[CoreCurve, ...]:
        """Return the core entities at the distances of the curve."""
        places = np.searchsorted(self._edges, np.array(self._event.curve, np.float64))
        places = places[places < len(self._edges)]
        return tuple(
            CoreCurve(min_samples=min_samples, entities=tuple(found.entities.take(places).tolist()))
            for min_samples, found in zip(self._event.min_samples, cores, strict=True)
        )

    def _note(
        self,
        threshold: float,
        min_samples: int,
        labelled: _Labelled,
        neighbours: tuple[_Labelled | None, _Labelled | None],
    ) -> None:
        sizes = labelled.sizes
        smaller, fewer = (None if other is None else labelled.agreement(other) for other in neighbours)
        mean, measured = (None, 0) if self._sampled is None else self._sampled.silhouette(labelled.cluster)
        self.settings.append(
            Setting(
                threshold=threshold,
                min_samples=min_samples,
                clusters=len(sizes),
                noise=labelled.entities - int(sizes.sum()),
                single=int((sizes == 1).sum()),
                largest=int(sizes.max()) if len(sizes) else 0,
                agreement_threshold=smaller,
                agreement_min_samples=fewer,
                silhouette=mean,
                silhouette_points=measured,
            )
        )


class _Labelled:
    """The clusters of one setting."""

    def __init__(self, cluster: SignedInts, clusters: int, weights: UnsignedInts) -> None:
        self.cluster = cluster
        self.sizes = entities_by_cluster(cluster, clusters, weights)
        self.entities = int(weights.sum(dtype=np.int64))
        self._weights = weights

    def agreement(self, other: _Labelled) -> float:
        """Return the adjusted Rand index with another setting, noise entities as clusters of their own."""
        both = np.flatnonzero((self.cluster != NOISE) & (other.cluster != NOISE))
        cell = self.cluster.take(both).astype(np.int64) * max(1, len(other.sizes)) + other.cluster.take(both)
        _, place = np.unique(cell, return_inverse=True)
        shared = np.bincount(place, self._weights.take(both)).astype(np.int64)
        parts = (_count_pairs(sizes) for sizes in (shared, self.sizes, other.sizes))
        return round(adjusted_rand(self.entities, *parts), _DIGITS)


class _Sampled:
    """Some points of the day and their distances."""

    def __init__(self, sample: Sample) -> None:
        self._members = read_clusters(sample)
        self._matrix = distances(self._members.features, sample.metric)

    def silhouette(self, cluster: SignedInts) -> tuple[float | None, int]:
        """Return the mean silhouette of the clustered entities of the sample, and their number of points."""
        members = self._members
        label = cluster.take(members.ids)
        order = np.argsort(label, kind="stable")
        order = order.compress(label.take(order) != NOISE)
        label, weights = label.take(order), members.weights.take(order)
        starts = np.flatnonzero(np.diff(label, prepend=-1))
        if len(starts) <= 1:
            return None, len(order)
        values = silhouettes(self._matrix[np.ix_(order, order)], weights, starts)
        return round(float(np.average(values, weights=weights)), _DIGITS), len(order)


def _count_pairs(sizes: Ints) -> int:
    return sum(size * (size - 1) // 2 for size in sizes.tolist())


def _check_ascending(values: tuple[float, ...], name: str) -> None:
    if not values or any(b <= a for a, b in pairwise(values)):
        raise InputError(f"{name} must be ascending and distinct, and there must be one: {list(values)}")
