"""Mini-batch k-means (Sculley, WWW 2010): scikit-learn's, over batches of points in the order of ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_worker.centroids.learned import Learned, check_whole
from lambda_worker.contract import CapacityError
from lambda_worker.contract.memory import minibatch_memory_mb

if TYPE_CHECKING:
    from lambda_worker.centroids.ordered import OrderedPoints


@dataclass(frozen=True, slots=True)
class MiniBatchKMeans:
    """Passes over the points until one is no better than the best before.

    A batch has `batch_size` points, or as many as there are clusters if that is more, and counts them by
    their weights. What a pass is worth is the sum over its batches of the inertia that each one leaves.

    Attributes:
        n_clusters: Centres; with fewer points, as many as there are.
        seed: Of the first centres, chosen from the first batch, and of centres that are chosen anew.
        batch_size: Points.
        max_iter: Passes at most.
    """

    n_clusters: int
    seed: int
    batch_size: int
    max_iter: int

    def __post_init__(self) -> None:
        for name in ("n_clusters", "batch_size", "max_iter"):
            check_whole(getattr(self, name), name)
        check_whole(self.seed, "seed", least=0)

    def learn(self, points: OrderedPoints, memory_mb: float) -> Learned:
        """Pass over the points.

        Raises:
            CapacityError: A batch and the centres do not fit into memory.
        """
        from sklearn.cluster import MiniBatchKMeans as Estimator  # loaded by those who use it

        clusters = min(self.n_clusters, points.count)
        rows = max(clusters, min(self.batch_size, points.count))
        needed = minibatch_memory_mb(clusters, rows, points.dimensions)
        if needed > memory_mb:
            raise CapacityError(
                f"{clusters} centres and batches of {rows} points in {points.dimensions} dimensions take "
                f"{needed:,.0f} MB, there are {memory_mb:,.0f}"
            )
        estimator = Estimator(n_clusters=clusters, batch_size=rows, random_state=self.seed)
        best, iterations = float("inf"), 0
        while iterations < self.max_iter:
            iterations += 1
            left = 0.0
            for batch in points.batches(rows):
                estimator.partial_fit(batch.vectors, sample_weight=batch.weights)
                left += float(estimator.inertia_)
            if left >= best:
                break
            best = left
        return Learned(estimator.predict, iterations, centres=estimator.cluster_centers_)
