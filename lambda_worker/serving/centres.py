"""The rule of centre-based algorithms: the cluster of the nearest centre, as scikit-learn's `predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.nearest import Nearest, squared_distances
from lambda_worker.serving.rules import Verdict
from lambda_worker.tables.centres import read_centre_table
from lambda_worker.tables.labels import MEMBER_ROLE, NOISE, NOISE_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats


def build_centres(addresses: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays of a `NearestCentreRule` from the table `centres`."""
    places, clusters = read_centre_table(addresses)
    return {"centre_places": np.ascontiguousarray(places.T), "centre_clusters": clusters}


class NearestCentreRule:
    """The cluster of the nearest centre; of equally near ones, the lowest.

    Args:
        arrays: As `build_centres` returns them, and the labels of the points.
        reach: Items farther from every centre are noise; None if there is no limit.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], reach: float | None) -> None:
        self._places, self._clusters = arrays["centre_places"], arrays["centre_clusters"]
        self._nearest = Nearest(self._places) if len(self._clusters) else None
        self._labels = arrays["clusters"]
        self._reach = reach

    def decide(self, vector: Floats, own: int | None) -> Verdict:
        """Return the verdict on a vector of shape (dimensions,); see `NearRule` for `own`."""
        noise = Verdict(NOISE, int(NOISE_ROLE), None)
        if self._nearest is None:
            return noise
        column = vector[:, None]
        nearest = self._nearest.labels(column)
        distance = float(np.sqrt(squared_distances(column, self._places, nearest)[0]))
        cluster = int(self._clusters[nearest[0]])
        if self._reach is not None and distance > self._reach:
            cluster = NOISE
        if own is not None:
            cluster = int(self._labels[own])
        return noise if cluster == NOISE else Verdict(cluster, int(MEMBER_ROLE), distance)
