"""Defects of real data: repeated rows, unknown or invalid places, addresses without ports."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.sample.addresses import NOISE
from cluster_assets.sample.profiles import ICMP, ICMP_TYPES, TARGET_BASE

if TYPE_CHECKING:
    from cluster_assets.sample.addresses import Addresses
    from cluster_assets.sample.lots import Lots
    from cluster_assets.sample.traffic import Rows

UNKNOWN_CITY = -1
_UNKNOWN_SHARE = 0.008  # of the addresses have no place: the share in the data of 2013
_COUNTRY_ONLY_SHARE = 0.002  # have a country and no coordinates
_IMPOSSIBLE_SHARE = 0.002  # have a postal code as latitude and the latitude as longitude
_PINGING_SHARE = 0.03  # of the noise uses only ICMP
_DUPLICATE_SHARE = 0.01  # of the rows occur twice


def soil_addresses(addresses: Addresses, day: int, lots: Lots) -> Addresses:
    """Remove or corrupt the places of some addresses for a day; NaN and UNKNOWN_CITY mean null."""
    chance = lots.unit("dirty place", addresses.number, day)
    unknown = chance < _UNKNOWN_SHARE
    no_coordinates = chance < _UNKNOWN_SHARE + _COUNTRY_ONLY_SHARE
    impossible = chance > 1 - _IMPOSSIBLE_SHARE
    postal_code = 20_000.0 + lots.below(1_000, "postal code", addresses.number)
    latitude = np.where(impossible, postal_code, addresses.latitude)
    longitude = np.where(impossible, addresses.latitude, addresses.longitude)
    return replace(
        addresses,
        city=np.where(unknown, UNKNOWN_CITY, addresses.city),
        latitude=np.where(no_coordinates, np.nan, latitude),
        longitude=np.where(no_coordinates, np.nan, longitude),
    )


def soil_rows(rows: Rows, addresses: Addresses, day: int, lots: Lots) -> Rows:
    """Turn some noise addresses into pingers and repeat some rows; rows stay in time order."""
    pinging = addresses.wing == NOISE
    pinging &= lots.unit("pinging", addresses.number, day) < _PINGING_SHARE
    kinds = np.array(ICMP_TYPES, dtype=np.int64)[lots.below(len(ICMP_TYPES), "ping", addresses.number)]
    target = np.where(pinging[rows.entity], ICMP * TARGET_BASE + kinds[rows.entity], rows.target)
    index = np.arange(len(target), dtype=np.int64)
    twice = lots.unit("duplicate", index, day) < _DUPLICATE_SHARE
    return replace(rows, target=target).take(np.repeat(index, 1 + twice))
