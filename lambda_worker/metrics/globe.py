"""Places on the globe: points on the unit sphere, and great-circle distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from lambda_worker.arrays import Columns

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints, Pairs, SignedInts


EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the ellipsoid, IUGG; as in cluster_assets.stages.candidates.metrics.haversine."""

HALF_WAY_ROUND_M = EARTH_RADIUS_M * math.pi
"""The largest distance of two places."""

EVERY_PAIR = 2.0
"""A limit that every reduced distance meets, since it is at most 1 apart from rounding."""

ABSOLUTE_SLACK = 2.0**-40
"""Rounding of a coordinate on the unit sphere, with a margin."""

_DIAMETER_M = 2 * EARTH_RADIUS_M


@dataclass(frozen=True, slots=True)
class Places(Columns):
    """Places in radians; shape (places,) each."""

    latitude: Floats
    longitude: Floats
    cos_latitude: Floats

    @classmethod
    def of(cls, degrees: Floats) -> Self:
        """Create places from rows of latitudes and longitudes in degrees, shape (2, places)."""
        # The same conversion as in sql/candidates/grid/cells/haversine.sql.
        latitude, longitude = degrees * (math.pi / 180)
        return cls(latitude, longitude, np.cos(latitude))

    def reduce(self, others: Places) -> Floats:
        """Squared halves of the chords to other places, with SQL's order of operations; shapes broadcast."""
        sine = np.sin(0.5 * (self.latitude - others.latitude))
        total = sine * sine
        sine = np.sin(0.5 * (self.longitude - others.longitude))
        total += self.cos_latitude * others.cos_latitude * sine * sine
        return np.asarray(total, np.float64)

    def distances(self, rows: slice) -> Floats:
        """Distances in metres of some places to all, shape (rows, places)."""
        some = Places(*(column[rows, np.newaxis] for column in self.columns()))
        return in_metres(some.reduce(self))

    @property
    def units(self) -> Floats:
        """The points on the unit sphere, shape (3, places)."""
        x, y = np.cos(self.longitude), np.sin(self.longitude)
        return np.stack([self.cos_latitude * x, self.cos_latitude * y, np.sin(self.latitude)])


def in_metres(reduced: Floats) -> Floats:
    """Great-circle distances from reduced ones, which may be rounded above 1."""
    return np.asarray(_DIAMETER_M * np.arcsin(np.where(reduced < 1, np.sqrt(reduced), 1.0)), np.float64)


@dataclass(frozen=True, slots=True)
class Globe:
    """Places, and the distance in metres within which two of them are near."""

    places: Places
    threshold: float

    @property
    def chord(self) -> float:
        """Chord length, in radii, of two places at the threshold distance."""
        if self.limit == EVERY_PAIR:
            return 2.0
        return 2 * math.sin(0.5 * (self.threshold / EARTH_RADIUS_M))

    @property
    def longest_chord(self) -> float:
        """No computed chord of a near pair is longer, in radii; proved in sql/candidates/grid/."""
        return self.chord * (1 + 2.0**-20) + ABSOLUTE_SLACK

    @property
    def limit(self) -> float:
        """The largest reduced distance that is near, reduced as in scikit-learn's haversine tree."""
        half_chord = math.sin(0.5 * (self.threshold / EARTH_RADIUS_M))
        reduced = half_chord * half_chord
        return reduced if reduced < 1 else EVERY_PAIR

    def take(self, rows: SignedInts) -> Globe:
        """Select places."""
        return Globe(self.places.take(rows), self.threshold)

    def settle(self, first: Ints, second: Ints, reduced: Floats) -> Pairs:
        """Return the near pairs and their distances in metres."""
        del reduced  # of the chord
        total = self.places.take(first).reduce(self.places.take(second))
        near = np.flatnonzero(total <= self.limit)
        distance = np.minimum(in_metres(total.take(near)), self.threshold)
        return first.take(near), second.take(near), distance
