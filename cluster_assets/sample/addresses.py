"""The addresses of one day: members of campaigns, noise, and their locations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.sample.campaigns import as_addresses
from cluster_assets.sample.places import LOCALITIES, anywhere, locality_coordinates, nearest_city

if TYPE_CHECKING:
    import datetime as dt

    from numpy.typing import NDArray

    from cluster_assets.sample.campaigns import Wing, World
    from cluster_assets.sample.lots import Lots

    Ints = NDArray[np.int64]

NOISE = -1
_LEAST_NOISE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Addresses:
    """The distinct addresses of a day, members first; all arrays are (entities,).

    Attributes:
        number: IPv4 address as a number.
        wing: Index into the day's wings, NOISE for noise.
        city: Number of the city it is in or nearest to.
        latitude: WGS84 degrees.
        longitude: WGS84 degrees.
    """

    number: Ints
    wing: Ints
    city: Ints
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]


def addresses_on(date: dt.date, world: World, wings: list[Wing], entities: int) -> Addresses:
    """Return the addresses of a day: the members of all wings, and noise up to `entities`."""
    members = np.concatenate([wing.addresses for wing in wings]) if wings else np.empty(0, dtype=np.int64)
    of_wing = np.repeat(np.arange(len(wings)), [len(wing.addresses) for wing in wings])
    wanted = max(entities - len(members), int(entities * _LEAST_NOISE_SHARE))
    strangers = _noise_addresses(world.lots, date.toordinal(), wanted)
    every = np.concatenate([members, strangers])
    wing = np.concatenate([of_wing, np.full(wanted, NOISE)]).astype(np.int64)
    # Two draws may give the same address; the first wins, so that members do not become noise.
    first = np.sort(np.unique(every, return_index=True)[1])
    number, wing = every[first], wing[first]
    return _located(world.lots, wings, number, wing)


def _noise_addresses(lots: Lots, day: int, count: int) -> Ints:
    """Return noise addresses: most stay for one day, some for up to three days."""
    seat = np.arange(count, dtype=np.int64)
    tenure = 1 + lots.below(3, "noise tenure", seat)
    tenant = (day + lots.below(tenure, "noise tenure start", seat)) // tenure
    return as_addresses(lots.bits("noise", seat, tenant))


def _located(lots: Lots, wings: list[Wing], number: Ints, wing: Ints) -> Addresses:
    """Place members in a locality of their wing's city and noise anywhere; an address never moves."""
    coordinates = anywhere(lots, number)
    city = np.empty(len(number), dtype=np.int64)
    noise = wing == NOISE
    city[noise] = nearest_city(coordinates[noise])
    city[~noise] = np.array([one.city for one in wings], dtype=np.int64)[wing[~noise]]
    locality = city * LOCALITIES + lots.below(LOCALITIES, "locality", number)
    coordinates[~noise] = locality_coordinates(lots)[locality[~noise]]
    return Addresses(number, wing, city, coordinates[:, 0].copy(), coordinates[:, 1].copy())
