"""Where a new item lies in the tree of a plain recursion, as the documentation of hdbscan describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hdbscan_recursion import Cluster, choose, grow, mutual_reachability, single_linkage

if TYPE_CHECKING:
    from hdbscan_days import Points


class PlainPrediction:
    """Walks up the tree from the leaf of the nearest neighbour."""

    def __init__(self, points: Points, algorithm: dict[str, Any]) -> None:
        """Grow the tree of a day of at least two entities, and of at least as many as a neighbourhood."""
        size, self.epsilon = algorithm["min_cluster_size"], algorithm["cluster_selection_epsilon"]
        self.samples = algorithm["min_samples"] or size
        self.entities = points.entities
        tree = single_linkage(mutual_reachability(points, self.samples), self.entities)
        self.root = grow(tree, size, Cluster(None, 0.0, np.arange(len(self.entities))))
        self.chosen = choose(self.root, algorithm)
        self.core = np.sort(points.distance[np.ix_(self.entities, self.entities)], axis=1)[
            :, self.samples - 1
        ]
        self.leaf = {entity: one for one in self.root.all() for entity in one.leaves}

    def reach(self, distances: Any) -> Any:
        """Mutual reachabilities of an item to the entities, from its distances to the points."""
        away = distances[self.entities]
        return np.maximum(np.maximum(self.core, np.sort(away)[self.samples - 1]), away)

    def place(self, distances: Any) -> tuple[Any, float]:
        """The entities of the item's cluster, None for noise; and the probability."""
        reach = self.reach(distances)
        nearest = min(range(len(reach)), key=lambda k: (reach[k], distances[self.entities[k]], k))
        density = 1 / reach[nearest] if reach[nearest] > 0 else np.inf
        cluster = self.leaf[nearest]
        while cluster.above is not None and cluster.birth > density:
            cluster = cluster.above
        owner: Cluster | None = cluster
        while owner is not None and all(owner is not one for one in self.chosen):
            owner = owner.above
        if owner is None or (owner is self.root and not self._in_root(nearest, density)):
            return None, 0.0
        return owner.members, 1.0 if density == np.inf else min(density, owner.end) / owner.end

    def _in_root(self, nearest: int, density: float) -> bool:
        """Whether item and neighbour reach the density that members of the only cluster need."""
        least = 1 / self.epsilon if self.epsilon else self.root.end
        leaves_at = self.leaf[nearest].leaves[nearest]
        return len(self.chosen) == 1 and density >= least and leaves_at >= least
