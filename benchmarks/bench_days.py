"""Whole days, from the table `points` to published clusters, worker processes included.

A million points beside scikit-learn's DBSCAN, in one run; then ten million points with a hundred million
pairs, of which every invocation must stay below the 1,769 MiB that buy one processor on Lambda.

    python benchmarks/bench_days.py [--rounds 3] [--points 1000000] [--large 10000000]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from data import blobs
from readings import compare, read, tell
from stages import days_of_points, pipeline, timed

from cluster_assets.planner import MANY_POINTS
from cluster_assets.stages.candidates import CandidatesStage
from cluster_assets.stages.clusters import ClustersStage

EPS, MIN_SAMPLES = 0.3, 10
LARGE_EPS = 0.335  # ten pairs a point at the density of the blobs


def write_points(path: Path, values: np.ndarray) -> None:
    """The table `points`, an entity each."""
    frame = {"point_id": np.arange(len(values)), "x0": values[:, 0], "x1": values[:, 1]}
    with duckdb.connect() as connection:
        for name, column in frame.items():
            connection.register(f"c_{name}", {name: column})
        connection.execute(
            "CREATE TABLE points AS SELECT point_id::BIGINT AS point_id, 1::BIGINT AS weight, x0, x1 "
            "FROM c_point_id POSITIONAL JOIN c_x0 POSITIONAL JOIN c_x1"
        )
        connection.execute(f"COPY points TO '{path}' (FORMAT parquet)")


def summed(labels: np.ndarray) -> str:
    """A checksum of labels in order."""
    return hashlib.sha256(np.ascontiguousarray(labels, np.int64).tobytes()).hexdigest()[:16]


def run_stages(count: int, eps: float, blocking: str) -> None:
    """Candidates and clusters of a day, and what its invocations took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = blobs(count, 2)
        write_points(folder / "points.parquet", values)
        write_points(folder / "small.parquet", values[: max(MANY_POINTS, count // 10)])
        del values
        spec = pipeline(
            features={"vector": ["max(x)", "max(y)"]},
            distance={"metric": "euclidean", "threshold": eps},
            algorithm={"type": "dbscan", "min_samples": MIN_SAMPLES},
            blocking={"type": blocking},
        )
        files = (folder / "small.parquet", folder / "points.parquet")
        with days_of_points(spec, files, folder / "home") as (warm, job):
            for stage in (CandidatesStage(), ClustersStage()):
                timed(stage, warm)
            pairs_s, candidates = timed(CandidatesStage(), job)
            labels_s, clusters = timed(ClustersStage(), job)
            uris = list(job.ledger.uris(clusters, "clusters"))
        labels = duckdb.sql(f"SELECT cluster FROM read_parquet({uris}) ORDER BY point_id").fetchnumpy()
        calls = json.loads(str(clusters.metrics["invocation_table"]))
        note = (
            f"{candidates.metrics['executor']}: {candidates.tables['candidates'].rows:,} pairs in "
            f"{pairs_s:.1f} s, labels in {labels_s:.1f} s, "
            f"{clusters.metrics['shards']} shards, {len(calls)} invocations, largest "
            f"{max(call['peak_memory_mb'] for call in calls):,.0f} MiB, "
            f"slowest {max(call['seconds'] for call in calls):.1f} s"
        )
        tell(pairs_s + labels_s, summed(labels["cluster"]), note)


def run_sklearn(count: int, eps: float) -> None:
    """Reading the same points, and scikit-learn's DBSCAN on both processors."""
    from sklearn.cluster import DBSCAN

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "points.parquet"
        write_points(path, blobs(count, 2))
        DBSCAN(eps=1.0).fit(np.zeros((10, 2)))
        started = time.perf_counter()
        columns = duckdb.sql(f"SELECT x0, x1 FROM '{path}' ORDER BY point_id").fetchnumpy()
        values = np.column_stack([columns["x0"], columns["x1"]])
        model = DBSCAN(eps=eps, min_samples=MIN_SAMPLES, algorithm="kd_tree", n_jobs=2).fit(values)
        tell(time.perf_counter() - started, summed(model.labels_))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--large", type=int, default=10_000_000, help="0 leaves it out")
    parser.add_argument(
        "--one", nargs=4, metavar=("SIDE", "POINTS", "EPS", "BLOCKING"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.one:
        side, points, eps, blocking = arguments.one
        if side == "stages":
            run_stages(int(points), float(eps), blocking)
        else:
            run_sklearn(int(points), float(eps))
        return
    common = (str(arguments.points), str(EPS), "auto")
    compare(
        f"DBSCAN of a day, 2-D, {arguments.points:,} points",
        lambda: read(__file__, "stages", *common),
        lambda: read(__file__, "sklearn", *common),
        arguments.rounds,
    )
    if arguments.large:
        # Named, so that all pairs are listed; by itself the planner might certify such a day.
        reading = read(__file__, "stages", str(arguments.large), str(LARGE_EPS), "join")
        if reading is not None:
            print(f"a day of {arguments.large:,} points: {reading.seconds:.1f} s, {reading.note}")


if __name__ == "__main__":
    main()
