"""Estimators of scikit-learn that learn batch by batch: a stream of points in the order of their ids.

To add one: a frozen dataclass in a file of its own, its fields the parameters of the YAML, checked in
`__post_init__` (raise ContractError), with a method `learn(points, memory_mb) -> Learned`; then a line below.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from lambda_worker.centroids.birch import Birch
from lambda_worker.centroids.gather import number_clusters
from lambda_worker.centroids.minibatch import MiniBatchKMeans
from lambda_worker.centroids.nearest import squared_distances
from lambda_worker.centroids.ordered import order_points
from lambda_worker.contract import ContractError
from lambda_worker.contract.centroids import LearnReply
from lambda_worker.parquet_io import write_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from dataclasses import Field

    from numpy.typing import NDArray

    from lambda_worker.centroids.learned import Learned
    from lambda_worker.centroids.ordered import OrderedPoints
    from lambda_worker.contract.centroids import LearnEvent

_PREDICTED_AT_ONCE = 1 << 20  # numbers


class Estimator(Protocol):
    """An algorithm with its parameters."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def learn(self, points: OrderedPoints, memory_mb: float) -> Learned:
        """Pass over the points.

        Raises:
            CapacityError: It would take more memory or time than an invocation has.
        """
        ...


ESTIMATORS: dict[str, type[Estimator]] = {"minibatch_kmeans": MiniBatchKMeans, "birch": Birch}


def learn_clusters(event: LearnEvent, batch_rows: int | None = None) -> LearnReply:
    """Learn from the points of a day, and write their labels.

    Labels depend neither on the files, nor on the order of their rows, nor on `batch_rows`.

    Raises:
        ContractError: The event or an input file is not of the contract, or it does not fit.
    """
    estimator = build_estimator(event.algorithm)
    with (
        order_points(event.points, event.columns, event.point_count, batch_rows) as points,
        threadpool_limits(limits=1),  # sums of several threads differ from run to run
    ):
        learned = estimator.learn(points, event.memory_mb)
        labelling = _Labelling(points, learned)
        labels = number_clusters(labelling.pairs(), event.point_count)
    written = write_labels(event.output, labels)
    return LearnReply(
        ok=True,
        rows=event.point_count,
        bytes=written,
        clusters=labels.clusters,
        iterations=learned.iterations,
        inertia=labelling.inertia,
        subclusters=learned.subclusters,
    )


def build_estimator(description: Mapping[str, Any]) -> Estimator:
    """The estimator an event asks for.

    Raises:
        ContractError: The type is unknown, or a parameter is missing, unknown or impossible.
    """
    name = description.get("type")
    if not isinstance(name, str) or name not in ESTIMATORS:
        raise ContractError(f"algorithm type {name!r}; known are {', '.join(sorted(ESTIMATORS))}")
    parameters = {key: value for key, value in description.items() if key != "type"}
    expected = {field.name for field in fields(ESTIMATORS[name])}
    if parameters.keys() != expected:
        raise ContractError(f"{name} takes {sorted(expected)}, not {sorted(parameters)}")
    return ESTIMATORS[name](**parameters)


class _Labelling:
    """Labels the points, and adds up how far they are from their centres.

    Attributes:
        inertia: So far; 0 without centres.
    """

    def __init__(self, points: OrderedPoints, learned: Learned) -> None:
        self.inertia = 0.0
        self._points = points
        self._learned = learned

    def pairs(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Ids and clusters."""
        for rows in self._points.batches(max(1, _PREDICTED_AT_ONCE // self._points.dimensions)):
            clusters = self._learned.predict(rows.vectors).astype(np.int64)
            if self._learned.centres is not None:
                distances = squared_distances(rows.vectors.T, self._learned.centres.T, clusters)
                self.inertia += float((rows.weights * distances).sum())
            yield np.arange(rows.first, rows.first + len(clusters)), clusters
