"""All distances within a sample of a day, as a histogram, a layout in the plane and a hierarchy."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, cast

import numpy as np

from lambda_worker.contract.sketches import DistanceBin, Merge, SketchedPoint, SketchReply
from lambda_worker.graph.chains import merge_all
from lambda_worker.graph.hierarchies import DistanceMatrix, Means
from lambda_worker.profiles.layout import lay_out
from lambda_worker.profiles.points import distances, read_clusters
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats
    from lambda_worker.contract.components import Linkage
    from lambda_worker.contract.sketches import SketchEvent
    from lambda_worker.graph.hierarchies import Hierarchy
    from lambda_worker.metrics.gower import MixedFeatures
    from lambda_worker.tables.features import Features
    from lambda_worker.tables.members import Members

_FAR = 20.0  # bins grow with the distance where the farthest pair is so many thresholds apart
_SHORTEST = 100.0  # share of the threshold where such a histogram begins
_DIGITS = 6


def sketch(event: SketchEvent) -> SketchReply:
    """Measure the points of a sample; the result does not depend on the order of rows and files."""
    sample = read_clusters(event)
    points = len(sample)
    matrix = distances(sample.features, event.metric) if points else np.zeros((0, 0))
    check_deadline()
    places = lay_out(matrix) if event.projects else np.zeros((points, 2))
    merges: tuple[Merge, ...] = ()
    if event.linkage is not None and points > 1:
        left, right, height, _ = merge_all(_hierarchy(event.linkage, sample, matrix), points)
        merges = tuple(map(Merge, left.tolist(), right.tolist(), _rounded(height)))
    return SketchReply(
        ok=True,
        points=tuple(
            map(
                SketchedPoint,
                sample.components.tolist(),
                sample.weights.tolist(),
                _rounded(places[:, 0]),
                _rounded(places[:, 1]),
            )
        ),
        histogram=count_distances(matrix[np.triu_indices(points, 1)], event.threshold, event.bins),
        merges=merges,
    )


def _hierarchy(linkage: Linkage, sample: Members[Features | MixedFeatures], matrix: Floats) -> Hierarchy:
    if linkage == "ward":
        return Means(cast("Features", sample.features).vectors, sample.weights)
    return DistanceMatrix(matrix.copy(), sample.weights, linkage)


def count_distances(values: Floats, threshold: float, bins: int) -> tuple[DistanceBin, ...]:
    """Count distances in bins, of which one ends at the threshold.

    The bins have equal widths, or equal ratios if the threshold would be near 0 on such an axis.

    Args:
        values: Shape (pairs,), finite.
        threshold: 0 if there is none.
        bins: About how many bins.
    """
    if not len(values):
        return ()
    farthest = max(float(values.max()), threshold) or 1.0
    # Numbers below the normal ones are too few for the edges of so many bins.
    edges = _edges(max(farthest, bins * sys.float_info.min), threshold, bins)
    found = np.clip(np.searchsorted(edges, values) - 1, 0, len(edges) - 2)
    counts = np.bincount(found, minlength=len(edges) - 1)
    return tuple(map(DistanceBin, edges[:-1].tolist(), edges[1:].tolist(), counts.tolist()))


def _edges(farthest: float, threshold: float, bins: int) -> Floats:
    if not threshold:
        return np.linspace(0.0, farthest, bins + 1)
    if farthest <= _FAR * threshold:
        within = max(1, round(bins * threshold / farthest))
        steps = np.arange(math.ceil(farthest / threshold * within) + 1)
        return np.asarray(threshold * (steps / within), np.float64)
    below, above = math.log(_SHORTEST), math.log(farthest / threshold)
    step = (below + above) / bins
    steps = np.arange(-math.ceil(below / step), math.ceil(above / step) + 1)
    return np.asarray(threshold * np.exp(steps * step), np.float64)


def _rounded(values: Floats) -> list[float]:
    """Return values with so few digits that a picture needs."""
    return [float(f"{value:.{_DIGITS}g}") for value in values.tolist()]
