"""Time and peak memory of the worker against scipy and scikit-learn on the same candidate pairs.

Every run is a fresh process that reads the Parquet files; imports are not counted. Rounds alternate
between the competitors, so that a busy machine is unkind to all of them alike; the table shows medians.
Labels are compared in every round.

    python benchmarks/bench_worker.py [--rounds 3] [--scale 1.0]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
from arro3.core import Array, RecordBatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

MIN_SAMPLES = 18


@dataclass(frozen=True)
class Case:
    """A graph, the worker's algorithm for it, and the peer that does the same in memory."""

    name: str
    points: int
    make: Callable[[int], Pairs]
    algorithm: dict[str, Any]
    peer: str


def near_pairs(points: int) -> Pairs:
    """Pairs within a radius of uniform places in the plane; about eight pairs a point."""
    from scipy.spatial import cKDTree

    places = np.random.default_rng(1).random((points, 2))
    radius = (16.2 / (np.pi * points)) ** 0.5
    pairs = cKDTree(places).query_pairs(radius, output_type="ndarray")
    a, b = pairs.min(axis=1), pairs.max(axis=1)
    return a, b, np.linalg.norm(places[a] - places[b], axis=1) / radius


def random_pairs(points: int) -> Pairs:
    """Two pairs a point between any points: no locality, one giant component and many small ones."""
    ends = np.random.default_rng(2).integers(0, points, (2, 2 * points))
    low, high = ends.min(axis=0), ends.max(axis=0)
    low, high = low[low < high], high[low < high]
    return low, high, np.ones(len(low))


CASES = (
    Case(
        "dbscan, near pairs", 1_000_000, near_pairs, {"type": "dbscan", "min_samples": MIN_SAMPLES}, "sklearn"
    ),
    Case("components, near pairs", 1_000_000, near_pairs, {"type": "connected_components"}, "scipy"),
    Case("components, random pairs", 5_000_000, random_pairs, {"type": "connected_components"}, "scipy"),
)


def run_worker(event: dict[str, Any]) -> NDArray[np.int64]:
    from lambda_worker.handler import handler

    reply = handler(event, None)
    if not reply["ok"]:
        raise SystemExit(reply["error"])
    return _column(event["output"], "cluster")


def run_scipy(event: dict[str, Any]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, b = (_column(event["candidates"][0], name) for name in ("point_a", "point_b"))
    n = event["point_count"]
    graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
    labels: NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def run_sklearn(event: dict[str, Any]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from sklearn.cluster import DBSCAN

    path = event["candidates"][0]
    a, b, distance = (_column(path, name) for name in ("point_a", "point_b", "distance"))
    n = event["point_count"]
    half = coo_matrix((distance, (a, b)), shape=(n, n)).tocsr()
    model = DBSCAN(eps=1.0, min_samples=MIN_SAMPLES, metric="precomputed")
    labels: NDArray[np.int64] = model.fit(half + half.T).labels_
    return labels


RUNNERS = {"worker": run_worker, "scipy": run_scipy, "sklearn": run_sklearn}


def measure(runner: str, event: dict[str, Any]) -> dict[str, Any]:
    """One run in a fresh process: seconds, peak MiB, digest of the labels."""
    command = [sys.executable, __file__, "--run", runner, json.dumps(event)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(answer.stdout)
    return result


def run_here(runner: str, event: dict[str, Any]) -> None:
    """The other side of `measure`: import first, then time, then report on stdout."""
    import lambda_worker.handler  # noqa: F401
    from lambda_worker.memory import peak_memory_mb

    if runner != "worker":
        import scipy.sparse.csgraph  # noqa: F401
    if runner == "sklearn":
        import sklearn.cluster  # noqa: F401
    started = time.perf_counter()
    labels = RUNNERS[runner](event)
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(labels.astype(np.int64).tobytes()).hexdigest()
    print(json.dumps({"seconds": seconds, "peak_mb": peak_memory_mb(), "labels": digest}))


def compare(case: Case, folder: Path, scale: float, rounds: int) -> None:
    """Make the case's files, run both competitors in turn, print their medians."""
    n = int(case.points * scale)
    a, b, distance = case.make(n)
    ids = np.arange(n, dtype=np.int64)
    event = {
        "version": 1,
        "points": [_write(folder / "points.parquet", point_id=ids, weight=np.ones(n, np.int64))],
        "candidates": [_write(folder / "candidates.parquet", point_a=a, point_b=b, distance=distance)],
        "point_count": n,
        "output": str(folder / "labels.parquet"),
        "algorithm": case.algorithm,
    }
    runs: dict[str, list[dict[str, Any]]] = {"worker": [], case.peer: []}
    for _ in range(rounds):
        for runner, results in runs.items():
            results.append(measure(runner, event))
    print(f"\n{case.name}: {n:,} points, {len(a):,} pairs")
    for runner, results in runs.items():
        seconds = statistics.median(result["seconds"] for result in results)
        peak = max(result["peak_mb"] for result in results)
        print(f"  {runner:8} {seconds:7.2f} s  {peak:7.0f} MiB peak")
    ratios = [
        peer["seconds"] / own["seconds"] for own, peer in zip(runs["worker"], runs[case.peer], strict=True)
    ]
    digests = {result["labels"] for results in runs.values() for result in results}
    verdict = "equal" if len(digests) == 1 else "DIFFER"
    print(f"  {case.peer} / worker: {statistics.median(ratios):.2f} in time; labels {verdict}")


def _write(path: Path, **columns: NDArray[Any]) -> str:
    arrays = [Array.from_numpy(np.ascontiguousarray(column)) for column in columns.values()]
    batch = RecordBatch.from_arrays(arrays, names=list(columns))
    arro3.io.write_parquet(batch, path, compression="zstd(1)", max_row_group_size=1 << 17)
    return str(path)


def _column(path: str, name: str) -> NDArray[Any]:
    batches = arro3.io.read_parquet(path, batch_size=1 << 16)
    return np.concatenate([batch.column(name).to_numpy() for batch in batches])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the cases, 1.0 as in the table")
    parser.add_argument("--run", nargs=2, metavar=("RUNNER", "EVENT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        run_here(arguments.run[0], json.loads(arguments.run[1]))
        return
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            compare(case, Path(folder), arguments.scale, arguments.rounds)


if __name__ == "__main__":
    main()
