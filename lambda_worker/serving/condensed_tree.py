"""The rule of HDBSCAN: an item joins its nearest neighbour in the frozen condensed tree.

Mutual reachability is the largest of the distance and the core distances of item and point. The neighbour is
the point with the least one; of several, the nearest. The item is in the smallest cluster of the tree that
holds the neighbour and has begun at that density. So it has the neighbour's published cluster if that cluster
has begun, and is noise otherwise: no cluster above a selected one is selected, and all below belong to it.
This is `approximate_predict` of the package hdbscan (McInnes, Healy, Astels, JOSS 2017).

**Enough points.** All points within a radius are known. If the least mutual reachability among them is at
most the radius, no other point has a lower one, because its distance alone is larger. If not, the least one
of all points is above the radius; if every cluster begins at a higher density, the item is noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.clusterers.hdbscan.selection import strength
from lambda_worker.clusterers.hdbscan.tree import density
from lambda_worker.contract.messages import build_algorithm
from lambda_worker.serving.rules import Verdict
from lambda_worker.tables.labels import MEMBER_ROLE, NOISE, NOISE_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import AnyInts
    from lambda_worker.serving.structures.choice import Widening
    from lambda_worker.serving.structures.near import Near

_NOISE = Verdict(NOISE, int(NOISE_ROLE), None, probability=0.0)


class CondensedTreeRule:
    """The published cluster of the nearest neighbour by mutual reachability, if it has begun there.

    Args:
        arrays: As `frozen_tree` computes them: core distances of points, densities at which clusters begin
            and end; and labels, weights and probabilities of the points.
        search: Finds the points around an item.
        min_samples: Entities that make a neighbourhood.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], search: Widening, min_samples: int) -> None:
        self._clusters, self._weights = arrays["clusters"], arrays["weights"]
        self._probability = arrays.get("probability")
        self._core, self._begins, self._ends = arrays["tree_core"], arrays["tree_begins"], arrays["tree_ends"]
        self._first = float(self._begins.min(initial=np.inf))
        self._search = search
        self._min_samples = min_samples

    def decide(self, query: Any, own: int | None) -> Verdict:
        """Return the verdict on an item; see `ItemRule`."""
        if own is not None:
            return self._published(own)
        for radius, near in self._search.search(query):
            core = core_distance(near, self._weights, self._min_samples)
            reach = np.maximum(np.maximum(near.distances, self._core.take(near.ids)), core)
            if float(reach.min(initial=np.inf)) <= radius < np.inf or radius == np.inf:
                return self._join(near, reach)
            if float(density(np.array(radius))) < self._first:
                break
        return _NOISE

    def _join(self, near: Near, reach: NDArray[np.float64]) -> Verdict:
        """Return the verdict on an item whose neighbour is among some points."""
        if not len(reach):
            return _NOISE
        least = np.flatnonzero(reach == reach.min())
        best = least[np.lexsort((near.ids.take(least), near.distances.take(least)))[0]]
        clusters = self._clusters.take(near.ids)
        cluster, joins_at = int(clusters[best]), density(reach[best : best + 1])
        if cluster == NOISE or joins_at[0] == 0 or joins_at[0] < self._begins[cluster]:
            return _NOISE
        return Verdict(
            cluster,
            int(MEMBER_ROLE),
            float(near.distances[clusters == cluster].min()),
            probability=float(strength(joins_at, self._ends[cluster : cluster + 1])[0]),
        )

    def _published(self, point: int) -> Verdict:
        cluster = int(self._clusters[point])
        if cluster == NOISE:
            return _NOISE
        probability = None if self._probability is None else float(self._probability[point])
        return Verdict(cluster, int(MEMBER_ROLE), 0.0, probability=probability)


def core_distance(near: Near, weights: AnyInts, min_samples: int) -> float:
    """Return the distance within which an item has `min_samples` entities; infinite if they are too few."""
    few = min(min_samples, len(near.ids))  # a point has at least one entity
    nearest = np.argpartition(near.distances, few - 1)[:few] if few else np.empty(0, np.int64)
    order = nearest.take(np.argsort(near.distances.take(nearest)))
    enough = np.cumsum(weights.take(near.ids.take(order))) >= min_samples
    return float(near.distances[order[enough.argmax()]]) if enough.any() else np.inf


def neighbourhood_of(algorithm: Mapping[str, Any]) -> int:
    """Return the entities that make a neighbourhood."""
    return parameters_of(algorithm).neighbourhood


def parameters_of(algorithm: Mapping[str, Any]) -> Hdbscan:
    """Return the parameters of an algorithm as the pipeline's YAML has them."""
    return build_algorithm(algorithm, {"hdbscan": Hdbscan})
