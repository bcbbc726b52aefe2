"""Locations of addresses: cities with a few localities each, as in geolocation databases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.sample.lots import Lots

EARTH_RADIUS_KM = 6371.0088
CITY_RADIUS_KM = 20.0
LOCALITIES = 24
DECIMALS = 4  # of a degree, about 11 m: the precision of geolocation databases


@dataclass(frozen=True, slots=True)
class City:
    """A city: its name, ISO 3166 country, region (None where databases have none) and WGS84 degrees."""

    name: str
    country_code: str
    country: str
    region: str | None
    latitude: float
    longitude: float


# More than 250 km apart, so that no two form one cluster. The first six belong to the first three slots: two
# lie on the antimeridian and one at the pole, so that every sample has these cases.
CITIES = (
    City("Shanghai", "CN", "China", "Shanghai Shi", 31.2222, 121.4581),
    City("Amsterdam", "NL", "Netherlands", "North Holland", 52.3740, 4.8897),
    City("Taveuni", "FJ", "Fiji", None, -16.8500, 179.9700),
    City("Moscow", "RU", "Russia", "Moscow", 55.7522, 37.6156),
    City("South Pole", "AQ", "Antarctica", None, -89.9900, 139.2700),
    City("Mys Shmidta", "RU", "Russia", "Chukot", 68.8800, -179.9000),
    City("Dallas", "US", "United States", "Texas", 32.7831, -96.8067),
    City("Hanoi", "VN", "Vietnam", "Ha Noi", 21.0245, 105.8412),
    City("Beijing", "CN", "China", "Beijing Shi", 39.9075, 116.3972),
    City("Ashburn", "US", "United States", "Virginia", 39.0437, -77.4875),
    City("Sao Paulo", "BR", "Brazil", "Sao Paulo", -23.5475, -46.6361),
    City("Mumbai", "IN", "India", "Maharashtra", 19.0728, 72.8826),
    City("Seoul", "KR", "South Korea", "Seoul", 37.5660, 126.9784),
    City("Bucharest", "RO", "Romania", "Bucuresti", 44.4323, 26.1063),
    City("Guangzhou", "CN", "China", "Guangdong", 23.1167, 113.2500),
    City("Istanbul", "TR", "Turkey", "Istanbul", 41.0138, 28.9497),
    City("Los Angeles", "US", "United States", "California", 34.0522, -118.2437),
    City("Tabriz", "IR", "Iran", "East Azarbaijan", 38.0800, 46.2919),
    City("Tokyo", "JP", "Japan", "Tokyo", 35.6895, 139.6917),
    City("Kyiv", "UA", "Ukraine", "Kyyiv", 50.4547, 30.5238),
    City("Taipei", "TW", "Taiwan", "Taipei", 25.0478, 121.5319),
    City("Paris", "FR", "France", "Ile-de-France", 48.8534, 2.3488),
    City("Jakarta", "ID", "Indonesia", "Jakarta Raya", -6.2146, 106.8451),
    City("Lagos", "NG", "Nigeria", "Lagos", 6.4541, 3.3947),
    City("Shenyang", "CN", "China", "Liaoning", 41.7922, 123.4328),
    City("Toronto", "CA", "Canada", "Ontario", 43.7001, -79.4163),
    City("Buenos Aires", "AR", "Argentina", "Distrito Federal", -34.6132, -58.3772),
    City("Warsaw", "PL", "Poland", "Mazowieckie", 52.2298, 21.0118),
    City("Bangkok", "TH", "Thailand", "Krung Thep", 13.7540, 100.5014),
    City("Chicago", "US", "United States", "Illinois", 41.8500, -87.6501),
    City("Cairo", "EG", "Egypt", "Al Qahirah", 30.0626, 31.2497),
    City("Chengdu", "CN", "China", "Sichuan", 30.6667, 104.0667),
    City("Madrid", "ES", "Spain", "Madrid", 40.4165, -3.7026),
    City("Karachi", "PK", "Pakistan", "Sindh", 24.8608, 67.0104),
    City("Mexico City", "MX", "Mexico", "Distrito Federal", 19.4285, -99.1277),
    City("Stockholm", "SE", "Sweden", "Stockholms Lan", 59.3326, 18.0649),
    City("Manila", "PH", "Philippines", "Manila", 14.6042, 120.9822),
    City("Johannesburg", "ZA", "South Africa", "Gauteng", -26.2023, 28.0436),
    City("Novosibirsk", "RU", "Russia", "Novosibirsk", 55.0415, 82.9346),
    City("Bogota", "CO", "Colombia", "Cundinamarca", 4.6097, -74.0817),
    City("Rome", "IT", "Italy", "Lazio", 41.8919, 12.5113),
    City("Sydney", "AU", "Australia", "New South Wales", -33.8678, 151.2073),
    City("Singapore", "SG", "Singapore", None, 1.2897, 103.8501),
    City("Delhi", "IN", "India", "Delhi", 28.6519, 77.2315),
    City("Almaty", "KZ", "Kazakhstan", "Almaty City", 43.2500, 76.9500),
    City("Lima", "PE", "Peru", "Lima", -12.0432, -77.0282),
    City("Seattle", "US", "United States", "Washington", 47.6062, -122.3321),
    City("Reykjavik", "IS", "Iceland", None, 64.1355, -21.8954),
)


def locality_coordinates(lots: Lots) -> NDArray[np.float64]:
    """Return the coordinates of all localities.

    Returns:
        (cities * LOCALITIES, 2) degrees, latitude and longitude, row `city * LOCALITIES + locality`:
        uniform in the disc of CITY_RADIUS_KM around the city.
    """
    number = np.arange(len(CITIES) * LOCALITIES, dtype=np.int64)
    centre = np.radians(np.repeat(_city_coordinates(), LOCALITIES, axis=0))
    arc = CITY_RADIUS_KM / EARTH_RADIUS_KM * np.sqrt(lots.unit("locality distance", number))
    bearing = 2 * math.pi * lots.unit("locality bearing", number)
    # The formula of the destination point on a sphere also holds at the pole and across the antimeridian.
    sine = np.sin(centre[:, 0]) * np.cos(arc) + np.cos(centre[:, 0]) * np.sin(arc) * np.cos(bearing)
    latitude = np.arcsin(np.clip(sine, -1.0, 1.0))
    turn = np.arctan2(
        np.sin(bearing) * np.sin(arc) * np.cos(centre[:, 0]),
        np.cos(arc) - np.sin(centre[:, 0]) * sine,
    )
    longitude = np.mod(np.degrees(centre[:, 1] + turn) + 180.0, 360.0) - 180.0
    return np.round(np.column_stack([np.degrees(latitude), longitude]), DECIMALS)


def anywhere(lots: Lots, address: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return one point per address, (n, 2) degrees, uniform by area over the globe."""
    latitude = np.degrees(np.arcsin(2.0 * lots.unit("noise latitude", address) - 1.0))
    longitude = 360.0 * lots.unit("noise longitude", address) - 180.0
    return np.round(np.column_stack([latitude, longitude]), DECIMALS)


def nearest_city(coordinates: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the city nearest to each point, (n,) from (n, 2) degrees."""
    # On the unit sphere, the nearest point has the largest scalar product.
    closeness = _unit_vectors(coordinates) @ _unit_vectors(_city_coordinates()).T
    nearest: NDArray[np.int64] = np.argmax(closeness, axis=1)
    return nearest


@cache
def _city_coordinates() -> NDArray[np.float64]:
    return np.array([(city.latitude, city.longitude) for city in CITIES])


def _unit_vectors(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convert (n, 2) degrees to (n, 3) unit vectors."""
    latitude, longitude = np.radians(coordinates).T
    flat = np.cos(latitude)
    return np.column_stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])
