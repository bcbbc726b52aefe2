"""Core distances and the minimum spanning tree by mutual reachability, of points with coordinates.

The kernel searches a k-d tree; the numpy fallback compares all points with all. Edges are ordered by (mutual
reachability, smaller id, larger id), so that the tree is unique, and both compute distances with the same
operations: the results are the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.hdbscan.every_pair import EveryPair
from lambda_worker.contract import InputError
from lambda_worker.graph.minimum import Edges, order_edges
from lambda_worker.kernel import loaded
from lambda_worker.kernel.kd_tree import MOST_COORDINATES, NUMBERS, KdTree
from lambda_worker.metrics.globe import Places, in_metres
from lambda_worker.metrics.listed import compares_directions, directions
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats
    from lambda_worker.tables.points import WeightedPoints

_MOST_POINTS = 2**30  # twice the edges must be 32-bit numbers


def span_points(points: WeightedPoints, metric: str, min_samples: int) -> tuple[Floats, Edges]:
    """Return the core distance of each point, and the minimum spanning tree.

    Core distances are infinite, and there is no tree, if the day has fewer than `min_samples` entities. The
    tree lacks edges only if distances overflow.

    Args:
        points: All points of the day; coordinates may be overwritten. Latitudes and longitudes in degrees for
            `haversine`.
        metric: One of the metrics of the kernel's tree.
        min_samples: Entities that make a neighbourhood, the point's own included.

    Returns:
        Core distances, shape (points,); and edges ascending by (distance, a, b).

    Raises:
        InputError: There is no such metric, or too many coordinates.
    """
    tree = _build_tree(points, metric, min_samples)
    if tree is None:
        nobody = np.empty(0, np.int32)
        return np.full(len(points), np.inf), Edges(nobody, nobody, np.empty(0))
    by_row = tree.core_distances(min_samples)
    first, second, reach = tree.spanning_tree(by_row)
    core = np.empty(len(points))
    core[tree.ids] = by_row
    one, two = tree.ids.take(first), tree.ids.take(second)
    if metric == "haversine":
        core, reach = in_metres(core), in_metres(reach)
    finite = reach < np.inf
    edges = Edges(np.minimum(one, two), np.maximum(one, two), reach).take(np.flatnonzero(finite))
    return core, edges.take(order_edges(edges, len(points)))


def measure_cores(points: WeightedPoints, metric: str, min_samples: int) -> Floats:
    """Return the core distances alone; arguments and errors as those of `span_points`."""
    core = np.full(len(points), np.inf)
    tree = _build_tree(points, metric, min_samples)
    if tree is not None:
        by_row = tree.core_distances(min_samples)
        core[tree.ids] = in_metres(by_row) if metric == "haversine" else by_row
    return core


def _build_tree(points: WeightedPoints, metric: str, min_samples: int) -> KdTree | EveryPair | None:
    """Return None if no point can have a core distance."""
    count = len(points)
    if metric not in NUMBERS or len(points.values) > MOST_COORDINATES or count > _MOST_POINTS:
        raise InputError(f"no tree for metric {metric!r} in {len(points.values)} dimensions")
    if points.weights.sum(dtype=np.int64) < min_samples or not count:
        return None
    values, angles = _coordinates(points.values, metric)
    kernel = loaded()
    if kernel is None:
        return EveryPair(metric, values, angles, points.weights)
    return KdTree(kernel, metric, values, angles, points.weights)


def _coordinates(values: Floats, metric: str) -> tuple[Floats, Floats]:
    """Return coordinates in the tree, and angles of places."""
    if metric == "haversine":
        places = Places.of(values)
        return places.units, np.stack([places.latitude, places.longitude, places.cos_latitude])
    if compares_directions(metric):
        values = directions(Points(np.arange(values.shape[1]), values)).values
    return np.ascontiguousarray(values), np.empty((0, values.shape[1]))
