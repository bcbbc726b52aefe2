"""Silhouettes: how much nearer points are to their own cluster than to the next one, weighted by entities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.contract.profiles import ProfileReply
from lambda_worker.profiles.points import distances, read_clusters
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.writing import write_table

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.contract.profiles import SilhouettesEvent

_BLOCK = 1 << 19  # products of distances and weights at a time
_LEAST_CLUSTERS = 2


def measure_silhouettes(event: SilhouettesEvent) -> ProfileReply:
    """Write the silhouette of every point.

    Raises:
        ContractError: The event or an input file violates the contract, or there are fewer than two clusters.
    """
    content = read_clusters(event)
    if len(content.starts) < _LEAST_CLUSTERS:
        raise InputError(f"silhouettes need two clusters; the files hold {len(content.starts)}")
    matrix = distances(content.features, event.metric)
    values = silhouettes(matrix, content.weights, content.starts)
    written = write_table(
        event.output,
        {
            "point_id": content.ids,
            "cluster": content.components,
            "weight": content.weights,
            "silhouette": values,
        },
    )
    return ProfileReply(ok=True, rows=len(values), clusters=len(content.starts), bytes=written)


def silhouettes(matrix: Floats, weights: Ints, starts: Indices) -> Floats:
    """Compute the silhouette of each point, as one of the entities that it represents.

    Args:
        matrix: Shape (points, points), distances; the points of a cluster are contiguous.
        weights: Shape (points,), entities.
        starts: Shape (clusters,), where each cluster begins; at least two.

    Returns:
        Shape (points,), from -1 to 1.
    """
    entities = weights.astype(np.float64)
    sizes = np.add.reduceat(entities, starts)
    sizes_of_points = np.diff(np.append(starts, len(entities)))
    own = np.repeat(np.arange(len(starts)), sizes_of_points)
    values = np.zeros(len(entities))
    rows = max(1, _BLOCK // len(entities))
    for start in range(0, len(entities), rows):
        check_deadline()
        part = slice(start, start + rows)
        sums = np.add.reduceat(matrix[part] * entities, starts, axis=1)
        line = np.arange(len(sums))
        others = sizes.take(own[part]) - 1
        within = sums[line, own[part]] / np.maximum(others, 1)
        sums /= sizes
        sums[line, own[part]] = np.inf
        nearest = sums.min(axis=1)
        larger = np.maximum(within, nearest)
        measured = (others > 0) & (larger > 0)
        values[part] = np.where(measured, (nearest - within) / np.where(larger > 0, larger, 1.0), 0.0)
    return values
