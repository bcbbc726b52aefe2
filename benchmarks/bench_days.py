"""Whole days, worker processes included, beside scripts of DuckDB and a library that labels points.

One day begins with the table `points` and ends with published and checked clusters. Another one, of the
demo's `behaviours`, begins with source rows and goes through all stages; its scripts end with labels, without
checks, lineage, profiles and a report. `--full` adds ten million points with all their pairs, of which every
invocation must stay below the 1,769 MiB that buy one processor on Lambda.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from benchmarks.bench_candidates import labels_of
from benchmarks.inputs.demo import demo_days, write_lake
from benchmarks.inputs.points import blobs
from benchmarks.inputs.stages import days_of_points, pipeline, take_stages, write_points
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome, read
from benchmarks.peers.taking import found_labels
from cluster_assets.stages.candidates.planner import MANY_POINTS
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.stage import ClustersStage
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options

EPS, MIN_SAMPLES = 0.3, 10
DEMO_EPS, DEMO_MIN_SAMPLES = 0.3, 5  # of the demo's `behaviours`
LARGE, LARGE_EPS = 10_000_000, 0.335  # ten pairs a point at the density of the blobs


def take_stages_of(path: str, count: int, eps: float, blocking: str) -> Outcome:
    """Candidates and clusters of a day, and what its invocations took."""
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as name:
        folder = Path(name)
        files = (folder / "small.parquet", Path(path))
        duckdb.sql(
            f"COPY (SELECT * FROM '{files[1]}' WHERE point_id < {max(MANY_POINTS, count // 10)}) "
            f"TO '{files[0]}' (FORMAT parquet)"
        )
        spec = pipeline(
            features={"vector": ["max(x)", "max(y)"]},
            distance={"metric": "euclidean", "threshold": eps},
            algorithm={"type": "dbscan", "min_samples": MIN_SAMPLES},
            blocking={"type": blocking},
        )
        with days_of_points(spec, files, folder / "home") as (warm, job):
            spent, (candidates, clusters) = take_stages((CandidatesStage(), ClustersStage()), warm, job)
            found = labels_of(list(job.ledger.uris(clusters, "clusters")))
    calls = json.loads(str(clusters.metrics["invocation_table"]))
    note = (
        f"executor {candidates.metrics['executor']}, {candidates.tables['candidates'].rows:,} pairs, "
        f"{clusters.metrics['shards']} shards, {len(calls)} invocations, largest "
        f"{max(call['peak_memory_mb'] for call in calls):,.0f} MiB, "
        f"slowest {max(call['seconds'] for call in calls):.1f} s"
    )
    return Outcome(spent, found, note)


def _write(path: Path, count: int) -> None:
    x0, x1 = blobs(count, 2).T
    write_points(path, x0=x0, x1=x1)


def _take_script(label: Callable[[np.ndarray], tuple[Any, Any]], path: str) -> Outcome:
    """A script that reads, labels and writes."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "labels.parquet"
        label(np.zeros((20, 2)))
        with Clock() as clock, duckdb.connect(config={"threads": 2}) as connection:
            query = f"SELECT point_id, x0, x1 FROM '{path}' ORDER BY point_id"
            rows = connection.execute(query).fetchnumpy()
            labels, core = label(np.column_stack([rows["x0"], rows["x1"]]))
            connection.register("labelled", {"point_id": rows["point_id"], "cluster": labels, "core": core})
            connection.execute(
                "COPY (SELECT lpad(point_id::VARCHAR, 12, '0') AS entity, point_id, cluster, core "
                f"FROM labelled ORDER BY entity) TO '{output}' (FORMAT parquet, COMPRESSION zstd)"
            )
    return Outcome(clock.spent, found_labels(labels, core))


def take_sklearn(path: str) -> Outcome:
    from sklearn.cluster import DBSCAN

    def label(values: np.ndarray) -> tuple[Any, Any]:
        model = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES, algorithm="kd_tree", n_jobs=2).fit(values)
        core = np.zeros(len(values), bool)
        core[model.core_sample_indices_] = True
        return model.labels_, core

    return _take_script(label, path)


def take_cpp(path: str) -> Outcome:
    from dbscan import DBSCAN

    def label(values: np.ndarray) -> tuple[Any, Any]:
        found: tuple[Any, Any] = DBSCAN(values, eps=EPS, min_samples=MIN_SAMPLES)
        return found

    outcome = _take_script(label, path)
    del outcome.found["labels"]  # it numbers the clusters in its own order
    return outcome


def take_behaviours(small: str, large: str) -> Outcome:
    """All stages of a day of `behaviours`, after those of a small one."""
    with (
        tempfile.TemporaryDirectory() as name,
        demo_days("behaviours", (small, large), Path(name)) as (warm, job),
    ):
        spent, manifests = take_stages(STAGES, warm, job)
    seconds = ", ".join(f"{one.stage} {float(one.metrics['seconds']):.2f}" for one in manifests)
    clusters = next(one.metrics for one in manifests if one.stage == "clusters")
    found = {key: clusters[key] for key in ("entities", "clusters", "noise")}
    return Outcome(spent, found, f"seconds: {seconds}")


def _take_behaviours(label: Callable[[np.ndarray], Any], small: str, large: str) -> Outcome:
    """A script that measures the features of `behaviours`, scales them, labels the entities and writes."""
    for files in (small, large):
        with (
            tempfile.TemporaryDirectory() as folder,
            duckdb.connect(config={"threads": 2}) as connection,
            Clock() as clock,
        ):
            rows = connection.execute(
                "SELECT src_ip, count(*)::DOUBLE AS x0, count(DISTINCT sensor)::DOUBLE AS x1, "
                "count(DISTINCT dst_port)::DOUBLE AS x2, avg(coalesce(src_port, 0)) AS x3 "
                f"FROM '{files}' WHERE src_ip IS NOT NULL GROUP BY src_ip"
            ).fetchnumpy()
            values = np.column_stack([rows[f"x{axis}"] for axis in range(4)])
            labels = label((values - values.mean(axis=0)) / values.std(axis=0))
            connection.register("labelled", {"entity": rows["src_ip"], "cluster": labels})
            connection.execute(
                f"COPY (SELECT * FROM labelled ORDER BY entity) TO '{folder}/labels.parquet' "
                "(FORMAT parquet, COMPRESSION zstd)"
            )
    found = {
        "entities": len(labels),
        "clusters": int(labels.max()) + 1,
        "noise": int(np.count_nonzero(labels < 0)),
    }
    return Outcome(clock.spent, found)


def take_behaviours_cpp(small: str, large: str) -> Outcome:
    from dbscan import DBSCAN

    def label(values: np.ndarray) -> Any:
        return DBSCAN(values, eps=DEMO_EPS, min_samples=DEMO_MIN_SAMPLES)[0]

    return _take_behaviours(label, small, large)


def take_behaviours_sklearn(small: str, large: str) -> Outcome:
    from sklearn.cluster import DBSCAN

    def label(values: np.ndarray) -> Any:
        return DBSCAN(eps=DEMO_EPS, min_samples=DEMO_MIN_SAMPLES).fit_predict(values)

    return _take_behaviours(label, small, large)


def main(options: Options) -> None:
    """Compare both days with scripts; read one large day."""
    count = options.at(1_000_000, 21_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.parquet"
        _write(path, count)
        compare(
            f"a day, DBSCAN, 2-D, {count:,} points",
            Side(OURS, f"{__name__}:take_stages_of", (str(path), count, EPS, "auto")),
            [
                Side("DuckDB and dbscan C++", f"{__name__}:take_cpp", (str(path),), "dbscan"),
                Side("DuckDB and scikit-learn", f"{__name__}:take_sklearn", (str(path),)),
            ],
            options,
        )
        if options.full and options.wants("a large day"):
            _write(path, LARGE)
            # Named, so that all pairs are listed; by itself the planner might certify such a day.
            reading = read(options, f"{__name__}:take_stages_of", str(path), LARGE, LARGE_EPS, "join")
            if reading is not None:
                print(
                    f"a large day, {LARGE:,} points: {reading.cpu_s:.1f} s of processor, "
                    f"{reading.wall_s:.1f} s, all {reading.total_mib:,.0f} MiB; {reading.note}"
                )
    _compare_behaviours(options)


def _compare_behaviours(options: Options) -> None:
    entities = options.at(300_000, 2_000)
    title = f"all stages of behaviours, {entities:,} entities"
    if not options.wants(title):
        return
    with tempfile.TemporaryDirectory() as folder:
        files = tuple(write_lake(Path(folder) / str(size), size) for size in (1_200, entities))
        peers = [Side("DuckDB and dbscan C++", f"{__name__}:take_behaviours_cpp", files, "dbscan")]
        if options.small:  # of 300,000 entities it lists 337 million pairs, several gigabytes
            peers += [Side("DuckDB and scikit-learn", f"{__name__}:take_behaviours_sklearn", files)]
        compare(title, Side(OURS, f"{__name__}:take_behaviours", files), peers, options)
