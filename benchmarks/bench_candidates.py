"""Candidate pairs, Parquet to published Parquet through the stage, against the usual libraries in memory.

What is compared: the number of pairs and the sums of their ids, or the labels where a peer gives labels.
The workers of blocks run one at a time, so that "all blocks in sequence" is what the seconds say.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import data
import peers
from readings import compare, grow, peak_mib, read, tell

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (30_000, 100_000, 300_000, 1_000_000)


@dataclass(frozen=True)
class Case:
    """A kind of data: how it is made, what the pipeline says, who else can do it."""

    make: Callable[[int], Any]
    columns: tuple[str, ...]
    attributes: dict[str, Any]
    rivals: dict[str, tuple[int, int]] = field(default_factory=dict)  # name: points, rounds
    sizes: tuple[int, ...] = ()
    labels: bool = False


def _geo(threshold: float) -> dict[str, Any]:
    place = {"latitude": "avg(a)", "longitude": "avg(b)"}
    return {"features": {"geo": place}, "distance": {"metric": "haversine", "threshold": threshold}}


def _vector(dimensions: int, threshold: float) -> dict[str, Any]:
    return {
        "features": {"vector": ["avg(a)"] * dimensions},
        "distance": {"metric": "euclidean", "threshold": threshold},
    }


def _axes(dimensions: int) -> tuple[str, ...]:
    return tuple(f"x{k}" for k in range(dimensions))


CASES = {
    "euclidean 2-D": Case(
        partial(data.blobs, dimensions=2), _axes(2), _vector(2, 0.3),
        {"cKDTree": (1_000_000, 3), "radius_neighbors": (1_000_000, 1)}, SIZES,
    ),
    "euclidean 8-D": Case(
        partial(data.blobs, dimensions=8), _axes(8), _vector(8, 2.0), {"cKDTree": (1_000_000, 1)}, SIZES
    ),
    "dense 2-D, labels": Case(
        data.dense, _axes(2), _vector(2, 0.3), {"DBSCAN": (200_000, 3)}, (200_000, 1_000_000), labels=True
    ),
    "sparse 2-D, labels": Case(
        partial(data.blobs, dimensions=2), _axes(2), _vector(2, 0.3), {"DBSCAN": (1_000_000, 1)}, labels=True
    ),
    "haversine": Case(
        data.places, ("latitude", "longitude"), _geo(300.0), {"BallTree": (1_000_000, 1)}, SIZES
    ),
    "jaccard": Case(
        data.sets, ("tokens",),
        {"features": {"set": "a"}, "distance": {"metric": "jaccard", "threshold": 0.3}},
        {"Splink": (10_000, 1), "sparse product": (20_000, 1), "SetSimilaritySearch": (300_000, 1),
         "MinHash": (300_000, 1)}, SIZES,
    ),
    "levenshtein 1": Case(
        data.texts, ("text",),
        {"features": {"text": "max(a)"}, "distance": {"metric": "levenshtein", "threshold": 1}},
        {"rapidfuzz": (30_000, 3)}, (30_000, 100_000, 300_000),
    ),
    "levenshtein 2": Case(
        data.texts, ("text",),
        {"features": {"text": "max(a)"}, "distance": {"metric": "levenshtein", "threshold": 2}},
        {"rapidfuzz": (30_000, 1)}, (30_000, 100_000),
    ),
    "cosine of embeddings": Case(
        data.embeddings, ("embedding",),
        {"features": {"embedding": "max(a)"}, "distance": {"metric": "cosine", "threshold": 0.1}},
        {"matrix product": (100_000, 1)}, (10_000, 30_000, 100_000),
    ),
}  # fmt: skip


def write_points(case: Case, count: int, path: Path) -> None:
    """The points as the stage before leaves them; not part of any time."""
    import duckdb
    import pandas as pd

    values = case.make(count)
    if len(case.columns) == 1:
        frame = pd.DataFrame({case.columns[0]: list(values)})
        if case.columns[0] in ("tokens", "text"):  # equal values are one point
            frame = frame.loc[~frame[case.columns[0]].map(str).duplicated()].reset_index(drop=True)
    else:
        frame = pd.DataFrame(values, columns=list(case.columns))
    frame.insert(0, "point_id", np.arange(len(frame), dtype=np.int64))
    frame.insert(1, "weight", np.ones(len(frame), np.int64))
    duckdb.register("frame", frame)
    duckdb.sql(f"COPY frame TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


def take_ours(case: Case, points: Path) -> None:
    """One reading of the stage `candidates`, and of `clusters` where labels are compared."""
    import duckdb
    import stages

    from cluster_assets.planner import MANY_POINTS
    from cluster_assets.stages.candidates import CandidatesStage
    from cluster_assets.stages.clusters import ClustersStage

    os.environ["CLUSTER_WORKER_SLOTS"] = "1"
    few = points.with_name("few.parquet")
    # So many have the same executor, so that its statements are known and the worker has started.
    enough = f"SELECT greatest({MANY_POINTS}, count(*) // 10) FROM '{points}'"
    tenth = f"SELECT * FROM '{points}' WHERE point_id < ({enough})"
    duckdb.sql(f"COPY ({tenth}) TO '{few}' (FORMAT parquet)")
    spec = stages.pipeline(**case.attributes)
    with (
        tempfile.TemporaryDirectory(dir=points.parent) as home,
        stages.days_of_points(spec, (few, points), Path(home)) as (first, job),
    ):
        # A small day first, as in a run of many: imports and first calls are not timed, on either side.
        stages.timed(CandidatesStage(), first)
        stages.timed(ClustersStage(), first)
        seconds, manifest = stages.timed(CandidatesStage(), job)
        note = str(manifest.metrics["executor"])
        uris = list(job.ledger.uris(manifest, "candidates"))
        peak = max(peak_mib(), float(manifest.metrics.get("worker_peak_memory_mb", 0)))
        if case.labels:
            more, clusters = stages.timed(ClustersStage(), job)
            seconds += more
            peak = max(peak, float(clusters.metrics["worker_peak_memory_mb"]))
            files = list(job.ledger.uris(clusters, "clusters"))
            query = f"SELECT cluster FROM read_parquet({files}) ORDER BY entity"
            labels = duckdb.sql(query).fetchnumpy()["cluster"]
            tell(seconds, label_sum(labels), note, peak)
            return
        found = duckdb.sql(
            "SELECT count(*), coalesce(sum(point_a), 0), coalesce(sum(point_b), 0), "
            f"coalesce(sum(point_a * point_b % 1000003), 0) FROM read_parquet({uris})"
        ).fetchall()[0]
        tell(seconds, str(tuple(int(value) for value in found)), note, peak)


def label_sum(labels: Any) -> str:
    """A checksum of labels in entity order."""
    return hashlib.sha256(np.asarray(labels, np.int64).tobytes()).hexdigest()[:16]


def main() -> None:
    """Compare all cases, or take one reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("SIDE", "CASE", "POINTS"))
    parser.add_argument("--small", action="store_true", help="a thirtieth of the points")
    parser.add_argument("--case", choices=CASES, action="append")
    asked = parser.parse_args()
    if asked.one:
        side, name, path = asked.one
        if side == "ours":
            take_ours(CASES[name], Path(path))
        else:
            peers.take(side, CASES[name], Path(path))
        return
    part = 30 if asked.small else 1
    for name in asked.case or CASES:
        case = CASES[name]
        for rival, (count, rounds) in case.rivals.items():
            with tempfile.TemporaryDirectory() as folder:
                points = Path(folder) / "points.parquet"
                write_points(case, count // part, points)
                compare(
                    f"{name} {count // part:,} against {rival}",
                    partial(read, __file__, "ours", name, str(points)),
                    partial(read, __file__, rival, name, str(points)),
                    rounds,
                )
        if case.sizes:
            grow(f"{name}: growth", [size // part for size in case.sizes], partial(_at, name))


def _at(name: str, count: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        points = Path(folder) / "points.parquet"
        write_points(CASES[name], count, points)
        return read(__file__, "ours", name, str(points))


if __name__ == "__main__":
    started = time.perf_counter()
    main()
