"""Candidate pairs: Parquet in, Parquet out in SQL, against trees and sparse products in memory.

Each reading runs in a process of its own, so that its peak memory is its own; rounds alternate. Ratios count,
as seconds move with what else the machine does. Pair counts must be equal.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

ROUNDS = 3
EARTH_RADIUS_M = 6_371_008.8


def vectors(count: int) -> np.ndarray:
    """Blobs of 800 points and a fifth of noise, at constant density."""
    chance = np.random.default_rng([1, count])
    side = np.sqrt(count) * 0.5
    blobs = int(count * 0.8)
    middle = chance.uniform(0, side, (blobs // 800, 2))
    near = middle[chance.integers(0, len(middle), blobs)] + chance.normal(0, 1.0, (blobs, 2))
    return np.concatenate([near, chance.uniform(0, side, (count - blobs, 2))])


def places(count: int) -> np.ndarray:
    """Places around towns and anywhere, poles and the antimeridian included."""
    chance = np.random.default_rng([2, count])
    towns = np.column_stack(
        [np.degrees(np.arcsin(chance.uniform(-1, 1, 3000))), chance.uniform(-180, 180, 3000)]
    )
    near = towns[chance.integers(0, len(towns), count)] + chance.normal(0, 0.05, (count, 2))
    return np.column_stack([np.clip(near[:, 0], -90, 90), (near[:, 1] + 180) % 360 - 180])


def sets(count: int) -> list[list[str]]:
    """Ten Zipf tokens on average; three in ten sets copy another one but for a tenth of its tokens."""
    chance = np.random.default_rng([3, count])
    shares = np.cumsum(1.0 / np.arange(1, 100_001))
    shares /= shares[-1]
    made: list[list[str]] = []
    for index in range(count):
        if index > count * 0.7:
            tokens = list(made[chance.integers(0, int(count * 0.7))])
            tokens = [
                t if chance.random() > 0.1 else str(np.searchsorted(shares, chance.random())) for t in tokens
            ]
        else:
            tokens = np.searchsorted(shares, chance.random(max(3, chance.poisson(10)))).astype(str).tolist()
        made.append(sorted(set(tokens)))
    return made


SHAPES: dict[str, dict[str, Any]] = {
    "euclidean": {"threshold": 0.3, "features": {"vector": ["avg(a)", "avg(b)"]}, "columns": ["x0", "x1"]},
    "haversine": {
        "threshold": 300.0,
        "features": {"geo": {"latitude": "avg(a)", "longitude": "avg(b)"}},
        "columns": ["latitude", "longitude"],
    },
    "jaccard": {"threshold": 0.3, "features": {"set": "a"}, "columns": ["tokens"]},
}


def prepare(metric: str, count: int, folder: Path) -> None:
    """Write the points as Parquet, as the stage before does."""
    import duckdb
    import pandas as pd

    if metric == "jaccard":
        frame = pd.DataFrame({"tokens": sets(count)})
    else:
        values = vectors(count) if metric == "euclidean" else places(count)
        frame = pd.DataFrame(values, columns=SHAPES[metric]["columns"])
    frame.insert(0, "point_id", np.arange(len(frame)))
    frame.insert(1, "weight", 1)
    duckdb.register("frame", frame)
    duckdb.sql(f"COPY frame TO '{folder}/points.parquet' (FORMAT parquet, COMPRESSION zstd)")


def ours(metric: str, folder: Path) -> int:
    """Pairs found by the statements of the project, written as sorted Parquet."""
    from cluster_assets import features, metrics
    from cluster_assets.domain.tables import CANDIDATES
    from cluster_assets.engines.duckdb import DuckDbConfig, DuckDbEngine
    from cluster_assets.pipeline_spec import Features
    from cluster_assets.ports import FileRelation

    shape = SHAPES[metric]
    columns = features.columns_of(Features.model_validate(shape["features"]))
    kind = next(iter(shape["features"]))
    plan = metrics.plan(metrics.Comparison(kind, metric, shape["threshold"], columns))
    relations = {"points": FileRelation((f"{folder}/points.parquet",))}
    with (
        tempfile.TemporaryDirectory(dir=folder) as scratch,
        DuckDbEngine(DuckDbConfig(2, 4096, Path(scratch) / "tmp", allowed_dirs=(folder,))) as engine,
    ):
        for step in plan.scratch:
            written = engine.unload(step.statement, relations, step.table, f"{scratch}/{step.table.name}")
            relations[step.table.name] = FileRelation(tuple(file.uri for file in written.files))
        found = engine.unload(plan.candidates, relations, CANDIDATES, f"{scratch}/candidates")
        return sum(file.rows for file in found.files)


def peer(metric: str, values: Any) -> int:
    """Pairs found in memory by the usual library."""
    if metric == "euclidean":
        from scipy.spatial import cKDTree

        return len(cKDTree(values).query_pairs(SHAPES[metric]["threshold"], output_type="ndarray"))
    if metric == "haversine":
        from sklearn.neighbors import BallTree

        tree = BallTree(np.radians(values), metric="haversine")
        reached = tree.query_radius(np.radians(values), SHAPES[metric]["threshold"] / EARTH_RADIUS_M)
        return (sum(map(len, reached)) - len(values)) // 2
    return _sparse_pairs(values, SHAPES[metric]["threshold"])


def _sparse_pairs(values: list[list[str]], threshold: float) -> int:
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    tokens = np.array([numbers.setdefault(token, len(numbers)) for tokens in values for token in tokens])
    sizes = np.array([len(tokens) for tokens in values])
    table = csr_matrix((np.ones(len(tokens), np.int32), tokens, np.r_[0, np.cumsum(sizes)]))
    found = 0
    for start in range(0, len(values), 500):
        common = (table[start : start + 500] @ table.T).tocoo()
        rows = common.row + start
        both = sizes[rows] + sizes[common.col]
        near = (both - 2 * common.data) / (both - common.data) <= threshold
        found += int((near & (rows < common.col)).sum())
    return found


def read_peer_input(metric: str, folder: Path) -> Any:
    """The points as the peer takes them; not part of its time."""
    import duckdb

    columns = ", ".join(SHAPES[metric]["columns"])
    rows = duckdb.sql(f"SELECT {columns} FROM '{folder}/points.parquet' ORDER BY point_id")
    return [tokens for (tokens,) in rows.fetchall()] if metric == "jaccard" else rows.df().to_numpy()


def one(side: str, metric: str, folder: Path) -> None:
    """One reading: seconds, peak MiB, pairs."""
    values = read_peer_input(metric, folder) if side == "peer" else None
    started = time.perf_counter()
    pairs = ours(metric, folder) if side == "ours" else peer(metric, values)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "mib": peak, "pairs": pairs}))


def reading(side: str, metric: str, folder: Path) -> dict[str, Any]:
    """One reading in a process of its own."""
    command = [sys.executable, __file__, "--one", side, metric, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(metric: str, count: int) -> None:
    """Alternate both sides and print the median ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(metric, count, folder)
        rounds = [(reading("ours", metric, folder), reading("peer", metric, folder)) for _ in range(ROUNDS)]
    for mine, theirs in rounds:
        if mine["pairs"] != theirs["pairs"]:
            raise SystemExit(f"{metric}: {mine['pairs']} pairs, the peer finds {theirs['pairs']}")
    ratio = statistics.median(theirs["seconds"] / mine["seconds"] for mine, theirs in rounds)
    seconds = [statistics.median(pair[side]["seconds"] for pair in rounds) for side in (0, 1)]
    peak = [max(pair[side]["mib"] for pair in rounds) for side in (0, 1)]
    print(
        f"{metric:10} {count:>9,} points {rounds[0][0]['pairs']:>10,} pairs  "
        f"ours {seconds[0]:6.2f} s {peak[0]:5.0f} MiB   peer {seconds[1]:6.2f} s {peak[1]:5.0f} MiB   "
        f"peer / ours {ratio:5.2f}",
        flush=True,
    )


def main() -> None:
    """Compare all metrics, or take one reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "METRIC", "FOLDER"))
    parser.add_argument("--small", action="store_true", help="a tenth of the points")
    asked = parser.parse_args()
    if asked.one:
        one(asked.one[0], asked.one[1], Path(asked.one[2]))
        return
    part = 10 if asked.small else 1
    print("peers: scipy cKDTree.query_pairs, scikit-learn BallTree, a sparse matrix product")
    compare("euclidean", 1_000_000 // part)
    compare("haversine", 300_000 // part)
    compare("jaccard", 20_000 // part)
    with tempfile.TemporaryDirectory() as name:
        prepare("jaccard", 100_000 // part, Path(name))
        mine = reading("ours", "jaccard", Path(name))
        count = f"{100_000 // part:>9,} points {mine['pairs']:>10,} pairs"
        print(f"jaccard    {count}  ours {mine['seconds']:6.2f} s {mine['mib']:5.0f} MiB")


if __name__ == "__main__":
    main()
