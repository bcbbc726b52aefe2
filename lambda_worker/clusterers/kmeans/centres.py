"""The centres of a day; at the end of a round, every centre moves to the mean of its entities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.clusterers.kmeans.farthest import read_farthest
from lambda_worker.clusterers.kmeans.sums import Units, merge_sums
from lambda_worker.contract.kmeans import CentresReply
from lambda_worker.tables.arrays import read_arrays, write_arrays

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.arrays import Floats, Indices
    from lambda_worker.clusterers.kmeans.farthest import Farthest
    from lambda_worker.clusterers.kmeans.sums import RoundSums
    from lambda_worker.contract.kmeans import CentresEvent

_ARRAYS = ("places", "moving", "low", "high")


@dataclass(frozen=True, slots=True)
class Centres:
    """Centres with the range of the day.

    Attributes:
        places: Shape (dimensions, centres).
        moving: bool: whether they have not converged.
        low: Shape (dimensions,): least coordinates of the points.
        high: Shape (dimensions,): largest coordinates of the points.
    """

    places: Floats
    moving: np.bool_
    low: Floats
    high: Floats

    @property
    def units(self) -> Units:
        """Units of the sums."""
        return Units.of_range(self.low, self.high)

    @property
    def shape(self) -> tuple[int, int]:
        """Dimensions, centres."""
        dimensions, centres = self.places.shape
        return dimensions, centres

    def moved(self, sums: RoundSums, farthest: Callable[[int], Farthest], tol: float) -> Centres:
        """Move every centre as `CentresEvent` says.

        Args:
            sums: Of all points around these centres. The points that go to empty centres are moved in them.
            farthest: Gives as many of the farthest points as are asked for, if there are so many.
            tol: As in `CentresEvent`.
        """
        limit = tol * variance(sums, self.places, self.units)
        empty = np.flatnonzero(sums.entities == 0)
        if len(empty):
            fill_empty(sums, empty, farthest(len(empty)), self.units)
        new = sums.means(self.units)
        # Where all points lie on centres, scikit-learn puts those without any on the heaviest.
        new[:, sums.entities == 0] = new[:, [int(sums.entities.argmax())]]
        return replace(self, places=new, moving=np.square(new - self.places).sum() > limit)

    def write(self, address: str) -> int:
        """Write the centres and return the size of the file in bytes."""
        return write_arrays(address, {name: getattr(self, name) for name in _ARRAYS})


def read_centres(address: str) -> Centres:
    """Read such a file.

    Raises:
        InputError: It is missing, or holds no centres.
    """
    places, moving, low, high = read_arrays(address, _ARRAYS)
    return Centres(places, np.bool_(moving), low, high)


def move_centres(event: CentresEvent) -> CentresReply:
    """Write the new centres."""
    old = read_centres(event.centres)
    sums = merge_sums(event.sums, old.shape, event.point_count)
    new = old.moved(sums, lambda count: read_farthest(event.sums, count), event.tol)
    return CentresReply(ok=True, moving=bool(new.moving), bytes=new.write(event.output))


def variance(sums: RoundSums, places: Floats, units: Units) -> float:
    """Variance of the entities, averaged over the dimensions.

    It is the sum of the distances to the centres and the spread of the centres around the mean of the day.

    Args:
        sums: Of a round.
        places: Shape (dimensions, centres): its centres in that round.
        units: Of the day.
    """
    entities = sums.entities
    held = entities > 0
    means, weights = sums.means(units)[:, held], entities[held] / entities.sum()
    away = places[:, held] - (means * weights).sum(axis=1, keepdims=True)
    # |x - m|^2 = |x - c|^2 + 2 (x - c)(c - m) + |c - m|^2
    spread = (weights * away * (2 * (means - places[:, held]) + away)).sum()
    return float(max(0.0, sums.inertia(units) / entities.sum() + spread) / len(places))


def fill_empty(sums: RoundSums, empty: Indices, farthest: Farthest, units: Units) -> None:
    """Move each centre without points, in order, to the next of the farthest points.

    Points on their centre stay there. scikit-learn does the same, wherever it defines which point is chosen.
    """
    count = int(np.count_nonzero(farthest.distances > 0))
    points = farthest.take(slice(count))
    nothing = np.zeros(count)  # the inertia has been added up before
    sums.add(replace(points, weights=-points.weights), points.labels, nothing, units)
    sums.add(points, empty[:count], nothing, units)
