"""Mini-batch k-means (Sculley, WWW 2010): scikit-learn's, over batches of points in the order of ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.kmeans.ordered import Learned
from lambda_worker.contract import CapacityError
from lambda_worker.contract.kmeans import minibatch_memory_mb
from lambda_worker.contract.messages import Count, CountFrom1, Parameters

if TYPE_CHECKING:
    from lambda_worker.clusterers.kmeans.ordered import OrderedPoints


class MiniBatchKMeans(Parameters, frozen=True):
    """Passes over the points until one is no better than the best before.

    A batch has `batch_size` points, but at least the number of clusters, and weights its points. The score of
    a pass is the sum of the inertia after each of its batches.

    Attributes:
        n_clusters: Number of centres, at most the number of points.
        seed: Seed for the first centres, chosen from the first batch, and for reassigned centres.
        batch_size: Points per batch.
        max_iter: Maximum of passes.
    """

    n_clusters: CountFrom1
    seed: Count
    batch_size: CountFrom1
    max_iter: CountFrom1

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
        places = estimator.cluster_centers_
        return Learned(estimator.predict, places, np.arange(len(places)), iterations, has_inertia=True)
