"""Graphs of near pairs, whole and in shards, as files of the worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
from arro3.core import Array, RecordBatch

from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHARDS = 16


@dataclass(frozen=True)
class Graph:
    """Pairs a < b with distances, and the shard of each; arrays of shape (pairs,)."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    distance: NDArray[np.float64]
    shard: NDArray[np.int64]


def near_pairs(points: int) -> Graph:
    """Pairs within a radius of uniform places in the plane, sharded by place; about eight pairs a point."""
    from scipy.spatial import cKDTree

    places = np.random.default_rng(1).random((points, 2))
    radius = (16.2 / (np.pi * points)) ** 0.5
    pairs = cKDTree(places).query_pairs(radius, output_type="ndarray")
    a, b = pairs.min(axis=1), pairs.max(axis=1)
    side = int(SHARDS**0.5)
    cells = (places[a] * side).astype(np.int64)
    distance = np.linalg.norm(places[a] - places[b], axis=1) / radius
    return Graph(a, b, distance, cells[:, 0] * side + cells[:, 1])


def random_pairs(points: int) -> Graph:
    """Two pairs a point between any points: no locality, one giant component and many small ones."""
    ends = np.random.default_rng(2).integers(0, points, (2, 2 * points))
    return _anywhere(ends[:, ends[0] != ends[1]])


def chain_pairs(points: int) -> Graph:
    """One path through all points in random order, its pairs in random order too."""
    path = np.random.default_rng(3).permutation(points)
    ends = np.stack([path[:-1], path[1:]])
    return _anywhere(ends[:, np.random.default_rng(4).permutation(points - 1)])


def _anywhere(ends: NDArray[np.int64]) -> Graph:
    count = ends.shape[1]
    return Graph(ends.min(axis=0), ends.max(axis=0), np.ones(count), np.arange(count) % SHARDS)


def write_event(graph: Graph, points: int, algorithm: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the files of a graph; return an event of the worker, and the shards besides."""
    shards = []
    for number in range(SHARDS):
        own = np.flatnonzero(graph.shard == number)
        columns = {"point_a": graph.a[own], "point_b": graph.b[own], "distance": graph.distance[own]}
        shards.append(_write(folder / f"shard-{number}.parquet", **columns))
    ids = {"point_id": np.arange(points, dtype=np.int64), "weight": np.ones(points, np.int64)}
    pairs = {"point_a": graph.a, "point_b": graph.b, "distance": graph.distance}
    return {
        "operation": "cluster",
        "version": VERSION,
        "points": [_write(folder / "points.parquet", **ids)],
        "candidates": [_write(folder / "candidates.parquet", **pairs)],
        "point_count": points,
        "output": str(folder / "labels.parquet"),
        "algorithm": algorithm,
        "shards": shards,
        "core_files": [str(folder / "cores.parquet")],
    }


def _write(path: Path, **columns: NDArray[Any]) -> str:
    arrays = [Array.from_numpy(np.ascontiguousarray(column)) for column in columns.values()]
    batch = RecordBatch.from_arrays(arrays, names=list(columns))
    arro3.io.write_parquet(batch, path, compression="zstd(1)", max_row_group_size=1 << 17)
    return str(path)


def read_column(path: str, name: str) -> NDArray[Any]:
    """A column of a Parquet file."""
    batches = arro3.io.read_parquet(path, batch_size=1 << 16)
    return np.concatenate([batch.column(name).to_numpy() for batch in batches])
