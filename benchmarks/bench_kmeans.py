"""K-means of a day, from the table `points` to published clusters, beside scikit-learn and faiss in memory.

All sides begin with k-means++ and move the centres until they stop or 50 times. Local optima differ, so each
side reports its inertia, the sum of squared distances to the own centre; ours may differ from scikit-learn's
by 3 %. Each takes its default number of starts: ours three on a sample, the others one. The published
labels must be those of the nearest published centre, computed by scipy.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from benchmarks.inputs.stages import days_of_points, pipeline, take_stages, write_points
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome
from benchmarks.peers.taking import read_points
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.stage import ClustersStage

if TYPE_CHECKING:
    from benchmarks.measure.options import Options

DIMENSIONS, CLUSTERS, ROUNDS = 8, 50, 50
_COLUMNS = tuple(f"x{k}" for k in range(DIMENSIONS))
_WARM = 2_000
_OPTIMA = 0.03


def make(points: int) -> np.ndarray:
    """Blobs around 60 middles; shape (points, 8)."""
    chance = np.random.default_rng([8, points])
    middles = chance.uniform(0, 20, (60, DIMENSIONS))
    return middles[chance.integers(0, 60, points)] + chance.normal(0, 2.0, (points, DIMENSIONS))


def take_ours(path: str) -> Outcome:
    """The stages `candidates`, which has nothing to do, and `clusters`."""
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as name:
        folder = Path(name)
        files = (folder / "warm.parquet", Path(path))
        warm_up = f"SELECT * FROM '{path}' WHERE point_id < {_WARM}"
        duckdb.sql(f"COPY ({warm_up}) TO '{files[0]}' (FORMAT parquet)")
        spec = pipeline(
            features={"vector": [f"avg({column})" for column in _COLUMNS]},
            algorithm={"type": "kmeans", "n_clusters": CLUSTERS, "max_iter": ROUNDS},
        )
        with days_of_points(spec, files, folder / "home") as (warm, job):
            spent, (_, clusters) = take_stages((CandidatesStage(), ClustersStage()), warm, job)
            query = "SELECT cluster FROM read_parquet({}) ORDER BY point_id"
            uris = list(job.ledger.uris(clusters, "clusters"))
            labels = duckdb.sql(query.format(uris)).fetchnumpy()["cluster"]
            centres = _centres(list(job.ledger.uris(clusters, "centres")))
            rounds = clusters.metrics["iterations"]
    nearest, inertia = assign(read_points(path, _COLUMNS), centres)
    if not np.array_equal(labels, nearest):
        raise SystemExit(f"{(labels != nearest).sum():,} labels are not those of the nearest centre")
    return Outcome(spent, {"inertia": inertia}, f"inertia {inertia:,.0f}, {rounds} rounds")


def _centres(uris: list[str]) -> np.ndarray:
    """Centres in the order of their clusters, of which each has one; shape (clusters, 8)."""
    query = f"SELECT value FROM read_parquet({uris}) ORDER BY cluster, dimension"
    return duckdb.sql(query).fetchnumpy()["value"].reshape(-1, DIMENSIONS)


def assign(values: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, float]:
    """Nearest centre of each point, and the inertia."""
    from scipy.spatial import cKDTree

    distances, nearest = cKDTree(centres).query(values)
    return nearest, float((distances**2).sum())


def take_sklearn(path: str) -> Outcome:
    from sklearn.cluster import KMeans

    values = read_points(path, _COLUMNS)
    model = KMeans(CLUSTERS, n_init=1, max_iter=ROUNDS, random_state=1)
    model.fit(values[:_WARM])
    with Clock() as clock:
        model.fit(values)
    inertia = float(model.inertia_)
    return Outcome(clock.spent, {"inertia": inertia}, f"inertia {inertia:,.0f}, {model.n_iter_} rounds")


def take_faiss(path: str) -> Outcome:
    import faiss

    values = read_points(path, _COLUMNS)
    single = values.astype(np.float32)
    # Otherwise it trains on a sample of 256 points for each centre.
    model = faiss.Kmeans(DIMENSIONS, CLUSTERS, niter=ROUNDS, seed=1, max_points_per_centroid=len(single))
    model.train(single[:_WARM])
    with Clock() as clock:
        model.train(single)
        model.index.search(single, 1)
    inertia = assign(values, model.centroids.astype(np.float64))[1]
    return Outcome(clock.spent, {"inertia": inertia}, f"inertia {inertia:,.0f}, {ROUNDS} rounds")


def main(options: Options) -> None:
    """Compare them."""
    points = options.at(1_000_000, 4_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "points.parquet"
        write_points(path, **dict(zip(_COLUMNS, make(points).T, strict=True)))
        compare(
            f"k-means, {DIMENSIONS}-D, {CLUSTERS} clusters, {points:,} points",
            Side(OURS, f"{__name__}:take_ours", (str(path),)),
            [
                Side("scikit-learn", f"{__name__}:take_sklearn", (str(path),), tolerance=_OPTIMA),
                Side("faiss", f"{__name__}:take_faiss", (str(path),), "faiss", is_exact=False),
            ],
            options,
        )
