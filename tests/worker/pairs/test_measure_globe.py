"""Places measured by the kernel and its numpy fallback, against brute force and scikit-learn's BallTree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.neighbors import BallTree

from lambda_worker.contract import MeasureEvent, MeasureReply
from lambda_worker.handler import handler
from lambda_worker.metrics.globe import EARTH_RADIUS_M

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("globe")


def measure(folder: Path, degrees: Any, threshold: float, max_pairs: int = 10**9) -> Any:
    columns = [np.arange(len(degrees)), *np.ascontiguousarray(degrees.T)]
    batch = RecordBatch.from_arrays(
        [Array.from_numpy(np.ascontiguousarray(column)) for column in columns],
        names=["point_id", "latitude", "longitude"],
    )
    arro3.io.write_parquet(batch, folder / "places.parquet")
    event = MeasureEvent(
        home=(str(folder / "places.parquet"),), others=(), within=True, halo_column=None,
        columns=("latitude", "longitude"), point_count=len(degrees), metric="haversine",
        threshold=threshold, output=str(folder / "pairs"), max_pairs=max_pairs,
    )  # fmt: skip
    return MeasureReply.from_json(handler(event.to_json(), None))


def pairs_of(reply: MeasureReply) -> list[tuple[int, int, float]]:
    assert reply.ok, reply.error
    found: list[tuple[int, int, float]] = []
    for file in reply.files:
        for batch in arro3.io.read_parquet(file.uri):
            columns = (batch[name].to_pylist() for name in ("point_a", "point_b", "distance"))
            found += zip(*columns, strict=True)
    return sorted(found)


def brute(degrees: Any, threshold: float) -> list[tuple[int, int, float]]:
    latitude, longitude = degrees.T * 0.017453292519943295
    a, b = np.triu_indices(len(degrees), 1)
    sine = np.sin(0.5 * (latitude[a] - latitude[b]))
    total = sine * sine
    sine = np.sin(0.5 * (longitude[a] - longitude[b]))
    total = total + np.cos(latitude[a]) * np.cos(latitude[b]) * sine * sine
    half = np.sin(0.5 * (threshold / EARTH_RADIUS_M))
    near = total <= (half * half if half * half < 1 else 2.0)
    metres = 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(total, 1.0)))
    kept = np.minimum(metres, threshold)[near].tolist()
    return list(zip(a[near].tolist(), b[near].tolist(), kept, strict=True))


@st.composite
def places(draw: st.DrawFn) -> tuple[Any, float]:
    """Cities, poles, the antimeridian, the same place twice, the whole globe; metres to half way round."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    count = draw(st.integers(1, 60))
    latitude, longitude = chance.uniform(-90, 90, count), chance.uniform(-180, 180, count)
    where = draw(st.sampled_from(["globe", "city", "pole", "antimeridian"]))
    if where == "city":
        latitude, longitude = 48 + latitude / 9e3, 11 + longitude / 9e3
    elif where == "pole":
        latitude = np.where(latitude > 0, 90 - latitude / 1e3, -90 - latitude / 1e3)
    elif where == "antimeridian":
        latitude, longitude = (
            latitude / 1e3,
            np.where(longitude > 0, 180 - longitude / 1e4, -180 - longitude / 1e4),
        )
    degrees = np.stack([latitude, longitude], axis=1)
    degrees[chance.integers(0, count, count // 4)] = degrees[0]
    return degrees, draw(st.sampled_from([0.001, 5.0, 300.0, 20_000.0, 2e6, 2.1e7]))


@given(day=places())
# The kernel is switched for all examples at once.
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_pairs_equal_brute_force(kernel: str, folder: Path, day: tuple[Any, float]) -> None:
    degrees, threshold = day
    assert pairs_of(measure(folder, degrees, threshold)) == brute(degrees, threshold)


def test_many_places_equal_a_ball_tree(kernel: str, folder: Path) -> None:
    chance = np.random.default_rng(7)
    cities = np.stack([chance.uniform(-80, 80, 300), chance.uniform(-180, 180, 300)], axis=1)
    degrees = cities[chance.integers(0, 300, 30_000)] + chance.normal(0, 0.02, (30_000, 2))
    tree = BallTree(np.radians(degrees), metric="haversine")
    near = tree.query_radius(np.radians(degrees), 500.0 / EARTH_RADIUS_M)
    expected = {(a, int(b)) for a, found in enumerate(near) for b in found if a < b}
    assert {(a, b) for a, b, _ in pairs_of(measure(folder, degrees, 500.0))} == expected
    assert len(expected) > 30_000


def test_too_many_pairs_are_counted_before_one_is_written(kernel: str, folder: Path, tmp_path: Path) -> None:
    degrees = np.full((3_000, 2), 10.0)
    reply = measure(tmp_path, degrees, 5.0, max_pairs=1_000_000)
    assert not reply.ok
    assert "more than 1000000 pairs" in reply.error
    assert not list(tmp_path.glob("pairs*"))
