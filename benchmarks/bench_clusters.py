"""Time and peak memory of the worker against scipy, scikit-learn, Splink and rustworkx on the same pairs.

Every run is a fresh process that reads the Parquet files; imports are not counted. Rounds alternate
between the competitors, so that a busy machine is unkind to all of them alike; the table shows medians.
Labels are compared in every round.

    python benchmarks/bench_clusters.py [--rounds 3] [--scale 1.0]
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

from lambda_worker.contract import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MIN_SAMPLES = 18
SHARDS = 16


@dataclass(frozen=True)
class Graph:
    """Pairs a < b with distances, and the shard of each; arrays of shape (pairs,)."""

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    distance: NDArray[np.float64]
    shard: NDArray[np.int64]


@dataclass(frozen=True)
class Case:
    """A graph, the worker's algorithm for it, and the peers that do the same in memory."""

    name: str
    points: int
    make: Callable[[int], Graph]
    algorithm: dict[str, Any]
    peers: tuple[str, ...]


def near_pairs(points: int) -> Graph:
    """Pairs within a radius of uniform places in the plane, sharded by place; about eight pairs a point."""
    from scipy.spatial import cKDTree

    places = np.random.default_rng(1).random((points, 2))
    radius = (16.2 / (np.pi * points)) ** 0.5
    pairs = cKDTree(places).query_pairs(radius, output_type="ndarray")
    a, b = pairs.min(axis=1), pairs.max(axis=1)
    side = int(SHARDS**0.5)
    cells = (places[a] * side).astype(np.int64)
    return Graph(
        a, b, np.linalg.norm(places[a] - places[b], axis=1) / radius, cells[:, 0] * side + cells[:, 1]
    )


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


_DBSCAN = {"type": "dbscan", "min_samples": MIN_SAMPLES}
_COMPONENTS = {"type": "connected_components"}
_GRAPHS = ("scipy", "splink", "rustworkx")
_SINGLE_LINKAGE = {"type": "single_linkage", "threshold": None}
CASES = (
    Case("dbscan, near pairs", 1_000_000, near_pairs, _DBSCAN, ("sklearn",)),
    Case("components, near pairs", 1_000_000, near_pairs, _COMPONENTS, ("scipy", "splink")),
    Case("components, random pairs", 5_000_000, random_pairs, _COMPONENTS, _GRAPHS),
    Case("components, one long chain", 5_000_000, chain_pairs, _COMPONENTS, _GRAPHS),
    Case("single linkage, near pairs", 1_000_000, near_pairs, _SINGLE_LINKAGE, ("scipy-tree",)),
)


def run_worker(event: dict[str, Any]) -> NDArray[np.int64]:
    from lambda_worker.handler import handler

    reply = handler(event, None)
    if not reply["ok"]:
        raise SystemExit(reply["error"])
    return _column(event["output"], "cluster")


def run_shards(event: dict[str, Any]) -> NDArray[np.int64]:
    """A forest for each shard, one after the other, then the labels: the peak is that of one invocation."""
    from lambda_worker.contract import ForestEvent
    from lambda_worker.contract.forests import FOREST_KINDS, NEEDS_CORES
    from lambda_worker.handler import handler

    name = event["algorithm"]["type"]
    cores = tuple(event["core_files"]) if name in NEEDS_CORES else None
    forests = []
    for number, shard in enumerate(event["shards"]):
        output = f"{event['output']}.{number}.forest"
        forest = ForestEvent(
            kind=FOREST_KINDS[name],
            candidates=(shard,),
            point_count=event["point_count"],
            output=output,
            cores=cores,
        )
        reply = handler(forest.to_json(), None)
        if not reply["ok"]:
            raise SystemExit(reply["error"])
        forests.append(output)
    return run_worker(event | {"candidates": forests, "cores": cores and list(cores)})


def run_rustworkx(event: dict[str, Any]) -> NDArray[np.int64]:
    import rustworkx

    a, b = (_column(event["candidates"][0], name) for name in ("point_a", "point_b"))
    graph = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(event["point_count"]))
    graph.add_edges_from_no_data(list(zip(a.tolist(), b.tolist(), strict=True)))
    labels = np.empty(event["point_count"], np.int64)
    parts = sorted(rustworkx.connected_components(graph), key=min)
    for number, part in enumerate(parts):
        labels[np.fromiter(part, np.int64, len(part))] = number
    return labels


def run_splink(event: dict[str, Any]) -> NDArray[np.int64]:
    import duckdb
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    with duckdb.connect() as connection:
        connection.execute("SET threads=2")
        connection.execute(f"CREATE TABLE nodes AS SELECT point_id FROM '{event['points'][0]}'")
        connection.execute(f"CREATE TABLE edges AS SELECT point_a, point_b FROM '{event['candidates'][0]}'")
        found = cluster_pairwise_predictions_at_threshold(
            connection.table("nodes"),
            connection.table("edges"),
            db_api=DuckDBAPI(connection),
            node_id_column_name="point_id",
            edge_id_column_name_left="point_a",
            edge_id_column_name_right="point_b",
        )
        # A cluster is known by its smallest point; ours are numbered in that order.
        first = connection.execute(
            f"SELECT cluster_id AS c FROM {found.physical_name} ORDER BY point_id"
        ).fetchnumpy()["c"]
    labels: NDArray[np.int64] = np.unique(np.asarray(first, np.int64), return_inverse=True)[1]
    return labels


def run_cores(event: dict[str, Any]) -> NDArray[np.int64]:
    """The core points, from the degrees in each shard."""
    from lambda_worker.handler import handler

    common = {"version": VERSION, "points": event["points"], "point_count": event["point_count"]}
    degrees = [f"{shard}.degrees" for shard in event["shards"]]
    asked = [
        # Every point stands for one entity: the stage does not let each shard read the weights.
        common | {"operation": "degrees", "points": [], "candidates": [shard], "output": output}
        for shard, output in zip(event["shards"], degrees, strict=True)
    ]
    cores = {"operation": "cores", "degrees": degrees, "min_samples": MIN_SAMPLES}
    for one in (*asked, common | cores | {"output": event["core_files"][0]}):
        reply = handler(one, None)
        if not reply["ok"]:
            raise SystemExit(reply["error"])
    return np.empty(0, np.int64)


def run_scipy_tree(event: dict[str, Any]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    path, n = event["candidates"][0], event["point_count"]
    a, b, distance = (_column(path, name) for name in ("point_a", "point_b", "distance"))
    tree = minimum_spanning_tree(coo_matrix((distance, (a, b)), shape=(n, n)).tocsr())
    labels: NDArray[np.int64] = connected_components(tree, directed=False)[1].astype(np.int64)
    return labels


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


RUNNERS = {
    "worker": run_worker,
    "shards": run_shards,
    "cores": run_cores,
    "scipy": run_scipy,
    "scipy-tree": run_scipy_tree,
    "sklearn": run_sklearn,
    "splink": run_splink,
    "rustworkx": run_rustworkx,
}


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

    if runner == "splink":
        import splink.clustering  # noqa: F401
    if runner == "rustworkx":
        import rustworkx  # noqa: F401
    if runner.startswith("scipy"):
        import scipy.sparse.csgraph  # noqa: F401
    if runner == "sklearn":
        import sklearn.cluster  # noqa: F401
    started = time.perf_counter()
    labels = RUNNERS[runner](event)
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(labels.astype(np.int64).tobytes()).hexdigest()
    print(json.dumps({"seconds": seconds, "peak_mb": peak_memory_mb(), "labels": digest}))


def compare(case: Case, folder: Path, scale: float, rounds: int) -> None:
    """Make the case's files, run the competitors in turn, print their medians."""
    n = int(case.points * scale)
    graph = case.make(n)
    event = write_case(case, graph, n, folder)
    runs: dict[str, list[dict[str, Any]]] = {runner: [] for runner in ("worker", "shards", *case.peers)}
    for _ in range(rounds):
        before = 0.0
        if case.algorithm["type"] == "dbscan":
            before = measure("cores", event)["seconds"]
        for runner, results in runs.items():
            results.append(measure(runner, event))
        runs["shards"][-1]["seconds"] += before
    print(f"\n{case.name}: {n:,} points, {len(graph.a):,} pairs; {SHARDS} shards, in sequence")
    for runner, results in runs.items():
        seconds = statistics.median(result["seconds"] for result in results)
        peak = max(result["peak_mb"] for result in results)
        print(f"  {runner:10} {seconds:7.2f} s  {peak:7.0f} MiB peak")
    for peer in case.peers:
        for own in ("worker", "shards"):
            ratios = [
                theirs["seconds"] / ours["seconds"]
                for ours, theirs in zip(runs[own], runs[peer], strict=True)
            ]
            print(f"  {peer} / {own}: {statistics.median(ratios):.2f} in time")
    digests = {result["labels"] for results in runs.values() for result in results}
    print(f"  labels {'equal' if len(digests) == 1 else 'DIFFER'}")


def write_case(case: Case, graph: Graph, n: int, folder: Path) -> dict[str, Any]:
    """The files of a case: an event of the worker, with the shards besides."""
    shards = []
    for number in range(SHARDS):
        own = np.flatnonzero(graph.shard == number)
        columns = {"point_a": graph.a[own], "point_b": graph.b[own], "distance": graph.distance[own]}
        shards.append(_write(folder / f"shard-{number}.parquet", **columns))
    candidates = folder / "candidates.parquet"
    points = {"point_id": np.arange(n, dtype=np.int64), "weight": np.ones(n, np.int64)}
    return {
        "version": VERSION,
        "points": [_write(folder / "points.parquet", **points)],
        "candidates": [_write(candidates, point_a=graph.a, point_b=graph.b, distance=graph.distance)],
        "point_count": n,
        "output": str(folder / "labels.parquet"),
        "algorithm": case.algorithm,
        "shards": shards,
        "core_files": [str(folder / "cores.parquet")],
    }


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
