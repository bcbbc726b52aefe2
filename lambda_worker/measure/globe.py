"""Places on the globe: their points on the unit sphere, and exact distances along great circles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the ellipsoid, IUGG; as in cluster_assets.metrics.haversine."""

EVERY_PAIR = 2.0
"""A limit of the reduced distance, which is at most 1 apart from rounding, that every pair keeps."""

_DIAMETER_M = 2 * EARTH_RADIUS_M


@dataclass(frozen=True, slots=True)
class Globe:
    """Places, and when two of them are near.

    Attributes:
        latitude: Shape (places,), radians.
        longitude: Shape (places,), radians.
        cos_latitude: Shape (places,).
        threshold: In metres.
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    cos_latitude: NDArray[np.float64]
    threshold: float

    @classmethod
    def of(cls, degrees: NDArray[np.float64], threshold: float) -> Self:
        """Places from rows of latitudes and longitudes in degrees, shape (2, places)."""
        # As sql/cells/haversine.sql converts them.
        latitude, longitude = degrees * (math.pi / 180)
        return cls(latitude, longitude, np.cos(latitude), threshold)

    @property
    def units(self) -> NDArray[np.float64]:
        """The points on the unit sphere, shape (3, places)."""
        return np.stack(
            [
                self.cos_latitude * np.cos(self.longitude),
                self.cos_latitude * np.sin(self.longitude),
                np.sin(self.latitude),
            ]
        )

    @property
    def chord(self) -> float:
        """Straight distance of two places as far apart as the threshold, in radii."""
        if self.limit == EVERY_PAIR:
            return 2.0
        return 2 * math.sin(0.5 * (self.threshold / EARTH_RADIUS_M))

    @property
    def limit(self) -> float:
        """The largest reduced distance that is near, as scikit-learn's haversine tree reduces a radius."""
        half_chord = math.sin(0.5 * (self.threshold / EARTH_RADIUS_M))
        reduced = half_chord * half_chord
        return reduced if reduced < 1 else EVERY_PAIR

    def take(self, rows: NDArray[np.signedinteger]) -> Globe:
        """Some of the places."""
        return Globe(
            self.latitude.take(rows), self.longitude.take(rows), self.cos_latitude.take(rows), self.threshold
        )

    def settle(
        self, first: Ids, second: Ids, reduced: NDArray[np.float64]
    ) -> tuple[Ids, Ids, NDArray[np.float64]]:
        """The near ones of some pairs and their distances in metres, by the order of operations of SQL."""
        del reduced  # of the chord
        a, b = self.take(first), self.take(second)
        sine = np.sin(0.5 * (a.latitude - b.latitude))
        total = sine * sine
        sine = np.sin(0.5 * (a.longitude - b.longitude))
        total += a.cos_latitude * b.cos_latitude * sine * sine
        near = np.flatnonzero(total <= self.limit)
        total = total.take(near)
        distance = _DIAMETER_M * np.arcsin(np.where(total < 1, np.sqrt(total), 1.0))
        return first.take(near), second.take(near), np.minimum(distance, self.threshold)
