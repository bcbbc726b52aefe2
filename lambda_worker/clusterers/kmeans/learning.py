"""Estimators of scikit-learn that learn batch by batch from the points in the order of their ids.

To add one: a subclass of `Parameters` in a file of its own, its fields the parameters of the YAML, with a
method `learn(points, memory_mb) -> Learned`; then a line below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.clusterers.day_labels import write_day
from lambda_worker.clusterers.kmeans.birch import Birch
from lambda_worker.clusterers.kmeans.minibatch import MiniBatchKMeans
from lambda_worker.clusterers.kmeans.ordered import order_points
from lambda_worker.contract.kmeans import LearnReply
from lambda_worker.contract.messages import build_algorithm
from lambda_worker.metrics.nearest import squared_distances
from lambda_worker.tables.centres import publish_centres
from lambda_worker.tables.labels import clusters_of, first_points, member_labels

if TYPE_CHECKING:
    from lambda_worker.arrays import Ints32
    from lambda_worker.clusterers.kmeans.ordered import Learned, OrderedPoints
    from lambda_worker.contract.kmeans import LearnEvent

_PREDICTED_AT_ONCE = 1 << 20  # numbers


class Estimator(Protocol):
    """An algorithm with its parameters."""

    def learn(self, points: OrderedPoints, memory_mb: float) -> Learned:
        """Pass over the points.

        Raises:
            CapacityError: It would take more memory or time than an invocation has.
        """
        ...


ESTIMATORS: dict[str, type[Estimator]] = {"minibatch_kmeans": MiniBatchKMeans, "birch": Birch}


def learn_clusters(event: LearnEvent) -> LearnReply:
    """Learn from the points of a day, and write their labels.

    Labels do not depend on the order of rows and files.

    Raises:
        ContractError: The event or an input file is not of the contract, or it does not fit.
    """
    estimator = build_algorithm(event.algorithm, ESTIMATORS)
    with (
        order_points(event.points, event.columns, event.point_count) as points,
        threadpool_limits(limits=1),  # sums of several threads differ from run to run
    ):
        learned = estimator.learn(points, event.memory_mb)
        label, inertia = _label(points, learned)
    first = first_points(label, int(learned.numbers.max()) + 1)
    labels = member_labels(label)
    clusters = clusters_of(labels.cluster, first).take(learned.numbers)
    return write_day(
        LearnReply,
        event.output,
        labels,
        None,
        iterations=learned.iterations,
        inertia=inertia,
        subclusters=learned.subclusters,
        **publish_centres(event.centres_output, learned.places, clusters),
    )


def _label(points: OrderedPoints, learned: Learned) -> tuple[Ints32, float]:
    """Label the points, and add up how far they are from their centres; 0 without centres."""
    label, inertia = np.empty(points.count, np.int32), 0.0
    for rows in points.batches(max(1, _PREDICTED_AT_ONCE // points.dimensions)):
        clusters = learned.predict(rows.vectors)
        if learned.has_inertia:
            distances = squared_distances(rows.vectors.T, learned.places.T, clusters)
            inertia += float((rows.weights * distances).sum())
        label[rows.first : rows.first + len(clusters)] = clusters
    return label, inertia
