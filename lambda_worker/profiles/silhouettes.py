"""How much nearer points are to their own cluster than to the next one: silhouettes, entities as weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.files import write_table
from lambda_worker.contract import InputError
from lambda_worker.contract.profiles import ProfileReply
from lambda_worker.deadline import check_deadline
from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.profiles.points import read_clusters

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.contract.profiles import SilhouettesEvent

_BLOCK = 1 << 19  # products of distances and weights at a time
_LEAST_CLUSTERS = 2


def measure_silhouettes(event: SilhouettesEvent, batch_rows: int = BATCH_ROWS) -> ProfileReply:
    """Write the silhouette of every point.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are less than two clusters.
    """
    content = read_clusters(event, batch_rows)
    if len(content.starts) < _LEAST_CLUSTERS:
        raise InputError(f"silhouettes need two clusters; the files hold {len(content.starts)}")
    matrix = content.space.distances(slice(0, len(content.ids)))
    values = silhouettes(matrix, content.weights, content.starts)
    written = write_table(
        event.output,
        {
            "point_id": content.ids,
            "cluster": content.clusters,
            "weight": content.weights,
            "silhouette": values,
        },
    )
    return ProfileReply(ok=True, rows=len(values), clusters=len(content.starts), bytes=written)


def silhouettes(
    matrix: NDArray[np.float64], weights: NDArray[np.int64], starts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The silhouette of each point, as one of the entities it stands for.

    Args:
        matrix: Shape (points, points), distances; the points of a cluster stand together.
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
