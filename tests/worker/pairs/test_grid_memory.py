"""Days on a grid or in a tree take the memory that was predicted: each in a process of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from peak_process import answer

from lambda_worker.contract import MeasureEvent
from lambda_worker.contract.candidates import (
    CertifyEvent,
    certificate_memory_mb,
    grid_memory_mb,
    grid_points_within,
)
from lambda_worker.kernel import loaded

if TYPE_CHECKING:
    from pathlib import Path

POINTS = 800_000


@pytest.fixture(scope="module", params=[2, 3])
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Some eight near points for each, at a distance of 1."""
    return write_day(tmp_path_factory.mktemp("grid"), request.param), request.param


def write_day(folder: Path, dimensions: int) -> Path:
    width = {2: 560.0, 3: 75.0, 4: 12.0, 8: 2.5}[dimensions]
    values = np.random.default_rng(dimensions).uniform(0, width, (dimensions, POINTS))
    columns = [np.arange(POINTS), np.ones(POINTS, np.int64), *values]
    names = ["point_id", "weight", *(f"x{k}" for k in range(dimensions))]
    batch = RecordBatch.from_arrays([Array.from_numpy(column) for column in columns], names=names)
    arro3.io.write_parquet(batch, folder / "points.parquet")
    return folder


def peak(event: dict[str, Any]) -> float:
    reply = answer(event, kernel="on")
    assert reply["pairs"] > POINTS // 2
    peak_mb: float = reply["peak_memory_mb"]
    return peak_mb


def measuring(folder: Path, dimensions: int) -> dict[str, Any]:
    return MeasureEvent(
        home=(str(folder / "points.parquet"),),
        others=(),
        within=True,
        halo_column=None,
        columns=tuple(f"x{k}" for k in range(dimensions)),
        point_count=POINTS,
        metric="euclidean",
        threshold=1.0,
        output=str(folder / "pairs"),
        max_pairs=10**9,
    ).to_json()


def certifying(folder: Path, dimensions: int) -> dict[str, Any]:
    return CertifyEvent(
        points=(str(folder / "points.parquet"),),
        columns=tuple(f"x{k}" for k in range(dimensions)),
        point_count=POINTS,
        metric="euclidean",
        threshold=1.0,
        min_samples=5,
        pairs=str(folder / "certificate"),
        cores=str(folder / "cores.parquet"),
        max_pairs=10**9,
    ).to_json()


@pytest.mark.skipif(loaded() is None, reason="the model is of the kernel; without a compiler there is none")
@pytest.mark.parametrize("make", [measuring, certifying])
def test_a_day_on_a_grid_takes_what_is_predicted(day: tuple[Path, int], make: Any) -> None:
    folder, dimensions = day
    assert peak(make(folder, dimensions)) == pytest.approx(grid_memory_mb(POINTS, dimensions), rel=0.25)


@pytest.mark.skipif(loaded() is None, reason="the model is of the kernel; without a compiler there is none")
@pytest.mark.parametrize("dimensions", [4, 8])
def test_a_day_in_a_tree_takes_what_is_predicted(tmp_path: Path, dimensions: int) -> None:
    found = peak(certifying(write_day(tmp_path, dimensions), dimensions))
    assert found == pytest.approx(certificate_memory_mb(POINTS, dimensions), rel=0.15)


def test_points_within_is_the_inverse() -> None:
    for memory in (100.0, 512.0, 1769.0):
        points = grid_points_within(memory, 2)
        assert grid_memory_mb(points, 2) <= memory < grid_memory_mb(points + 100, 2)
    assert grid_points_within(10.0, 2) == 0
