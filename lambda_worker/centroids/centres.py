"""The end of a round: every centre moves to the mean of its entities."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.centroids.exact import Groups
from lambda_worker.centroids.files import write_vectors
from lambda_worker.centroids.rounds import read_centres, read_farthest
from lambda_worker.centroids.sums import merge_sums
from lambda_worker.contract import InputError
from lambda_worker.contract.centroids import LEVEL_BITS, CentresReply, rounded_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.centroids.rounds import Labelled
    from lambda_worker.centroids.sums import CentreSums
    from lambda_worker.contract.centroids import CentresEvent


def move_centres(event: CentresEvent) -> CentresReply:
    """Write the new centres.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    old = read_centres(event.centres)
    dimensions, count = old.shape
    sums = merge_sums(event.sums, count, dimensions + 1)
    if sums.points_total != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the shards {sums.points_total}")
    exact = tuple((level, int(part[dimensions].sum())) for level, part in sums.exact.levels.items())
    empty = np.flatnonzero(sums.entities == 0)
    if len(empty):
        fill_empty(sums, empty, read_farthest(event.farthest, old, len(empty)))
    new = means(sums, dimensions)
    shift = min(float(np.square(new - old).sum()), sys.float_info.max)
    written = write_vectors(event.output, {"centre": np.arange(count)}, new)
    return CentresReply(
        ok=True,
        clusters=count,
        moved=len(empty),
        shift=shift,
        converged=shift <= event.tolerance,
        inertia=rounded_sum([exact]),
        bytes=written,
    )


def fill_empty(sums: CentreSums, empty: NDArray[np.intp], farthest: Labelled) -> None:
    """Give each centre without points, in their order, the next of the farthest points.

    Points that lie on their centre stay there. This is what scikit-learn does, where it says which point.
    """
    points = farthest.batch.take(np.flatnonzero(farthest.distances > 0))
    if not len(points):
        return
    givers, takers = farthest.labels[: len(points)], empty[: len(points)]
    # Distances stay with the givers: the inertia has been added up before.
    sums.exact.add(points.vectors, Groups(givers, -points.weights))
    sums.exact.add(points.vectors, Groups(takers, points.weights))
    np.subtract.at(sums.entities, givers, points.weights)
    sums.entities[takers] = points.weights


def means(sums: CentreSums, dimensions: int) -> NDArray[np.float64]:
    """Means of the entities of each centre, rounded once; where there are none, of the heaviest centre.

    Returns:
        Shape (dimensions, centres).
    """
    shift = LEVEL_BITS * sums.exact.finest
    entities = np.maximum(sums.entities, 1).astype(object) * (1 << max(0, shift))
    centres = np.empty((dimensions, len(entities)))
    for dimension in range(dimensions):
        # Python divides whole numbers with one rounding.
        centres[dimension] = sums.exact.totals(dimension) * (1 << max(0, -shift)) / entities
    centres[:, sums.entities == 0] = centres[:, [int(sums.entities.argmax())]]
    return centres
