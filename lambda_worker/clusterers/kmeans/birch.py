"""Birch (Zhang, Ramakrishnan, Livny, SIGMOD 1996): scikit-learn's, fed in the order of the point ids.

It does not support weights, so every entity of a point is added to the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.clusterers.kmeans.ordered import Learned
from lambda_worker.contract import CapacityError
from lambda_worker.contract.kmeans import birch_memory_mb
from lambda_worker.contract.messages import CountFrom1, CountFrom2, Parameters, Positive
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Floats
    from lambda_worker.clusterers.kmeans.ordered import OrderedPoints

MOST_ENTITIES = 1 << 22
"""Maximum of entities in a tree; each takes about 50 microseconds."""

_BATCH_NUMBERS = 1 << 16


class Birch(Parameters, frozen=True):
    """A tree of subclusters in one pass; without `n_clusters` these are the clusters.

    Attributes:
        threshold: Largest radius of a subcluster.
        branching_factor: Subclusters of a node.
        n_clusters: Clusters into which Ward's linkage puts the subclusters, or None.
    """

    threshold: Positive
    branching_factor: CountFrom2
    n_clusters: CountFrom1 | None

    def learn(self, points: OrderedPoints, memory_mb: float) -> Learned:
        """Grow the tree.

        Raises:
            CapacityError: There are more entities than a tree takes, or the tree outgrows the memory.
        """
        from sklearn.cluster import Birch as Estimator  # loaded by those who use it

        if points.entities > MOST_ENTITIES:
            raise CapacityError(
                f"birch knows no weights and would take {points.entities:,} entities one by one; it takes "
                f"{MOST_ENTITIES:,}; kmeans and minibatch_kmeans take any number"
            )
        tree = Estimator(
            threshold=self.threshold,
            branching_factor=self.branching_factor,
            n_clusters=None,
            compute_labels=False,
        )
        taken = 0
        for vectors in _entities(points):
            check_deadline()
            tree.partial_fit(vectors)
            taken += len(vectors)
            self._check_size(tree, points, taken, memory_mb)
        subclusters = len(tree.subcluster_centers_)
        if self.n_clusters is not None and subclusters > self.n_clusters:
            tree.set_params(n_clusters=self.n_clusters).partial_fit()
        return Learned(
            tree.predict, tree.subcluster_centers_, tree.subcluster_labels_, subclusters=subclusters
        )

    def _check_size(self, tree: Any, points: OrderedPoints, taken: int, memory_mb: float) -> None:
        leaves = len(tree.subcluster_centers_)
        needed = birch_memory_mb(leaves, taken, points.dimensions, joined=self.n_clusters is not None)
        if needed > memory_mb:
            raise CapacityError(
                f"the tree has {leaves:,} subclusters after {taken:,} of {points.entities:,} entities and "
                f"takes {needed:,.0f} MB, there are {memory_mb:,.0f}: raise the threshold {self.threshold:g}"
            )


def _entities(points: OrderedPoints) -> Iterator[Floats]:
    """The vectors of all entities, those of a point together; shapes (entities, dimensions)."""
    most = max(1, _BATCH_NUMBERS // points.dimensions)
    for rows in points.batches(most):
        ends = np.cumsum(rows.weights)
        for start in range(0, int(ends[-1]), most):
            entities = np.arange(start, min(start + most, int(ends[-1])))
            yield rows.vectors.take(np.searchsorted(ends, entities, side="right"), axis=0)
