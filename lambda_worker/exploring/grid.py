"""DBSCAN with a grid of settings, from one reading of the pairs.

For one `min_samples`, a point is core from the first threshold on at which it has enough entities. A pair of
points joins two cores from the first threshold on that reaches its distance and makes both ends core. So the
clusters of ascending thresholds grow from each other by one union-find, which unites each pair once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.whole_day.dbscan import label_borders
from lambda_worker.graph.union_find import DisjointSets, number_sets
from lambda_worker.tables.labels import NOISE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lambda_worker.arrays import Ints, SignedInts, UnsignedInts
    from lambda_worker.exploring.levels import Chunk, PairLevels


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the points become core, for one `min_samples`.

    Attributes:
        level: Shape (points,): the first level at which a point is core, or the number of levels.
        entities: Core entities at each level, shape (levels,).
    """

    level: SignedInts
    entities: Ints


def find_cores(
    pairs: PairLevels, weights: UnsignedInts, min_samples: Sequence[int], levels: int
) -> list[Cores]:
    """Find the level at which every point becomes core, for each `min_samples`; one pass over the pairs."""
    heavy = weights.astype(np.int64)
    degree = heavy.copy()
    first = [np.full(len(heavy), levels, np.int16) for _ in min_samples]
    entities = [np.zeros(levels, np.int64) for _ in min_samples]
    for level in range(levels):
        for a, b in pairs.within(level):
            degree += np.bincount(a, heavy.take(b), len(degree)).astype(np.int64)
            degree += np.bincount(b, heavy.take(a), len(degree)).astype(np.int64)
        for place, wanted in enumerate(min_samples):
            core = degree >= wanted
            np.minimum(first[place], level, out=first[place], where=core)
            entities[place][level] = int(heavy.sum(where=core))
    return [Cores(*found) for found in zip(first, entities, strict=True)]


@dataclass(frozen=True, slots=True)
class _Within:
    """The pairs up to a level, in the form that DBSCAN reads."""

    pairs: PairLevels
    level: int

    def batches(self) -> Iterator[Chunk]:
        return self.pairs.up_to(self.level)


class GrowingClusters:
    """The clusters of ascending thresholds for one `min_samples`."""

    def __init__(self, pairs: PairLevels, cores: Cores, levels: int) -> None:
        """Start below the first level.

        Args:
            pairs: The pairs of the day.
            cores: Of the `min_samples`.
            levels: Number of levels of the pairs.
        """
        self._pairs = pairs
        self._core_level = cores.level
        self._sets = DisjointSets(len(cores.level))
        self._waiting: list[list[SignedInts]] = [[] for _ in range(levels)]
        self._level = -1

    def grow(self, level: int) -> tuple[SignedInts, int]:
        """Label the points as DBSCAN does with the threshold of a level, which is above the last one.

        Returns:
            The cluster of each point, shape (points,), -1 for noise; and the number of clusters.
        """
        while self._level < level:
            self._level += 1
            self._unite(self._level)
        core = self._core_level <= level
        cluster, clusters = number_sets(self._sets.roots(), core)
        if not core.all():
            label_borders(_Within(self._pairs, level), core, cluster, clusters)
        return cluster, clusters

    def _unite(self, level: int) -> None:
        for a, b in self._waiting[level]:
            self._sets.unite(a, b)
        self._waiting[level] = []
        for a, b in self._pairs.within(level):
            ready = np.maximum(self._core_level.take(a), self._core_level.take(b))
            now = ready <= level
            self._sets.unite(a.compress(now), b.compress(now))
            later = np.flatnonzero(~now & (ready < len(self._waiting)))
            if len(later):
                self._keep(a.take(later), b.take(later), ready.take(later))

    def _keep(self, a: Ints, b: Ints, ready: SignedInts) -> None:
        """Keep pairs until both ends are core."""
        kind = np.int32 if len(self._core_level) <= np.iinfo(np.int32).max else np.int64
        for level in np.unique(ready).tolist():
            chosen = ready == level
            self._waiting[level].append(np.stack([a.compress(chosen), b.compress(chosen)]).astype(kind))


def entities_by_cluster(cluster: SignedInts, clusters: int, weights: UnsignedInts) -> Ints:
    """Count the entities of each cluster, shape (clusters,)."""
    inside = cluster != NOISE
    counts = np.bincount(cluster.compress(inside), weights.compress(inside), clusters)
    return counts.astype(np.int64)
