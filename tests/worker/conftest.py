"""Days in the files that SQL engines write, the kernel and its numpy fallback, and samples of k-means."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch

from lambda_worker.contract import VERSION
from lambda_worker.contract import kmeans as kmeans_contract
from lambda_worker.kernel import VARIABLE, loaded

sys.path.insert(0, str(Path(__file__).parent))  # what several tests share are modules beside them
from component_days import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def write_table(path: Path, **columns: Any) -> str:
    """Write integer and float columns as one Parquet file."""
    arrays = [Array.from_numpy(np.ascontiguousarray(column)) for column in columns.values()]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path, compression="zstd(1)")
    return str(path)


@dataclass
class DayFiles:
    """One day in a folder of its own; `event` is ready for the handler."""

    folder: Path
    points: list[str] = field(default_factory=list)
    candidates: list[str] = field(default_factory=list)
    cores: list[str] | None = None
    point_count: int = 0

    def add_points(self, ids: Any, weights: Any) -> None:
        path = self.folder / f"points-{len(self.points)}.parquet"
        ids, weights = np.asarray(ids, np.int64), np.asarray(weights, np.int64)
        self.points.append(write_table(path, point_id=ids, weight=weights, feature=weights * 0.5))
        self.point_count += len(ids)

    def add_pairs(self, pairs: Any, distance: Any = None) -> str:
        path = self.folder / f"candidates-{len(self.candidates)}.parquet"
        pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
        distance = np.zeros(len(pairs)) if distance is None else np.asarray(distance, np.float64)
        self.candidates.append(write_table(path, point_a=pairs[:, 0], point_b=pairs[:, 1], distance=distance))
        return self.candidates[-1]

    def add_cores(self, ids: Any) -> None:
        self.cores = self.cores or []
        path = self.folder / f"cores-{len(self.cores)}.parquet"
        self.cores.append(write_table(path, point_id=np.asarray(ids, np.int64)))

    @property
    def output(self) -> Path:
        return self.folder / "labels.parquet"

    def event(self, **algorithm: Any) -> dict[str, Any]:
        return {
            "operation": "cluster",
            "version": VERSION,
            "points": self.points,
            "candidates": self.candidates,
            "point_count": self.point_count,
            "output": str(self.output),
            "algorithm": algorithm,
            "cores": self.cores,
        }


@pytest.fixture(scope="session")
def new_day(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], DayFiles]:
    """Makes an empty day in a fresh folder; session-wide, so that hypothesis may call it."""
    return lambda: DayFiles(tmp_path_factory.mktemp("day"))


def _read_labels(path: Path) -> tuple[Any, Any, list[str]]:
    batches = list(arro3.io.read_parquet(path))
    if not batches:
        return np.empty(0, np.int64), np.empty(0, np.int64), []
    ids = np.concatenate([batch["point_id"].to_numpy() for batch in batches])
    cluster = np.concatenate([batch["cluster"].to_numpy() for batch in batches])
    return ids, cluster, [role for batch in batches for role in batch["role"].to_pylist()]


@pytest.fixture(scope="session")
def read_labels() -> Callable[[Path], tuple[Any, Any, list[str]]]:
    """Reads a labels file into (point ids, clusters, roles)."""
    return _read_labels


@pytest.fixture(params=["on", "off"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kernel, and its numpy fallback."""
    monkeypatch.setenv(VARIABLE, request.param)
    if request.param == "on" and loaded() is None:
        pytest.skip("no compiler built the kernel on this machine: only the numpy code can be tested")
    return str(request.param)


@pytest.fixture(scope="module")
def new_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Table]:
    """Makes a day of vectors in a fresh folder."""

    def make(points: int = 200, *, seed: int = 0, reach: float = 0.06) -> Table:
        rng = np.random.default_rng(seed)
        weights = rng.integers(1, 4, points)
        return Table(tmp_path_factory.mktemp("day"), rng.random((points, 2)), weights, reach, seed)

    return make


@pytest.fixture(scope="module")
def small_samples() -> Iterator[None]:
    """The first centres of k-means are chosen from fewer points than there are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmeans_contract, "_SAMPLE_POINTS", 8)
        yield
