"""Near pairs and labels of a day, Parquet to published Parquet, beside libraries in memory.

The invocations of a day run one at a time. Pairs are compared by their number and the sums of their ids,
labels by checksums.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from benchmarks.inputs import points as made
from benchmarks.inputs.stages import days_of_points, pipeline, take_stages, write_points
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.readings import Outcome
from benchmarks.peers.taking import found_labels
from cluster_assets.stages.candidates.planner import MANY_POINTS
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.clusters.stage import ClustersStage

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options

_LABELS = {"type": "dbscan", "min_samples": 10}
# It needs every pair with its distance, so the planner cannot replace pairs by a certificate.
_PAIRS = {"type": "single_linkage"}
_VECTORS, _LISTS = "benchmarks.peers.vectors", "benchmarks.peers.lists"


@dataclass(frozen=True)
class Case:
    """A kind of data and what is done with it.

    Attributes:
        make: Makes so many points.
        columns: Of the features.
        attributes: Of the pipeline.
        rows: Number of points, the number in a small run, and the names of the peers. A small run leaves out
            rows of 0, for instance those that `bench_growth` checks at small sizes.
    """

    make: Callable[[int], Any]
    columns: tuple[str, ...]
    attributes: dict[str, Any]
    rows: tuple[tuple[int, int, tuple[str, ...]], ...]

    @property
    def is_labels(self) -> bool:
        """Whether labels are compared, not pairs."""
        return bool(self.attributes["algorithm"] == _LABELS)


PEERS: dict[str, Callable[..., Side]] = {
    "cKDTree": partial(Side, "cKDTree", f"{_VECTORS}:ckdtree"),
    "cKDTree on the sphere": partial(Side, "cKDTree on the sphere", f"{_VECTORS}:sphere_ckdtree"),
    "BallTree": partial(Side, "BallTree", f"{_VECTORS}:ball_tree"),
    "DBSCAN": partial(Side, "scikit-learn DBSCAN", f"{_VECTORS}:sklearn_dbscan"),
    "dbscan C++": partial(Side, "dbscan C++", f"{_VECTORS}:cpp_dbscan", needs="dbscan"),
    "dbscan C++ beyond 3-D": partial(
        Side, "dbscan C++, misses cores", f"{_VECTORS}:cpp_dbscan", needs="dbscan", is_exact=False
    ),
    "float64": partial(Side, "numpy, double precision", f"{_VECTORS}:product_float64"),
    "float32": partial(Side, "numpy, single, then exact", f"{_VECTORS}:product_float32"),
    "faiss": partial(Side, "faiss, then exact", f"{_VECTORS}:faiss_range", needs="faiss"),
    "sparse product": partial(Side, "scipy sparse product", f"{_LISTS}:sparse_product"),
    "SetSimilaritySearch": partial(
        Side, "SetSimilaritySearch", f"{_LISTS}:set_similarity_search", needs="SetSimilaritySearch"
    ),
    "MinHash": partial(
        Side, "MinHash, misses pairs", f"{_LISTS}:minhash", needs="datasketch", is_exact=False
    ),
    "Splink": partial(Side, "Splink", f"{_LISTS}:splink", needs="splink"),
    "symmetric deletion": partial(
        Side, "symmetric deletion", f"{_LISTS}:symmetric_deletion", needs="rapidfuzz"
    ),
    "rapidfuzz": partial(Side, "rapidfuzz, all pairs", f"{_LISTS}:rapidfuzz", needs="rapidfuzz"),
    "DuckDB": partial(Side, "DuckDB levenshtein", f"{_LISTS}:duckdb_levenshtein"),
}


def vector_case(
    dimensions: int,
    threshold: float,
    algorithm: dict[str, Any],
    rows: tuple[tuple[int, int, tuple[str, ...]], ...],
    make: Callable[..., Any] = made.blobs,
) -> Case:
    """A case of vectors."""
    return Case(
        partial(make, dimensions=dimensions),
        tuple(f"x{k}" for k in range(dimensions)),
        {
            "features": {"vector": ["avg(a)"] * dimensions},
            "distance": {"metric": "euclidean", "threshold": threshold},
            "algorithm": algorithm,
        },
        rows,
    )


def _case(
    make: Callable[[int], Any], columns: tuple[str, ...], features: dict[str, Any], metric: str,
    threshold: float, *rows: tuple[int, int, tuple[str, ...]],
) -> Case:  # fmt: skip
    distance = {"metric": metric, "threshold": threshold}
    return Case(make, columns, {"features": features, "distance": distance, "algorithm": _PAIRS}, rows)


_DBSCANS = ("dbscan C++", "DBSCAN")
_DBSCANS_BEYOND = ("dbscan C++ beyond 3-D", "DBSCAN")
_PLACE = {"geo": {"latitude": "avg(a)", "longitude": "avg(b)"}}
CASES = {
    "pairs, 2-D": vector_case(2, 0.3, _PAIRS, ((1_000_000, 21_000, ("cKDTree",)),)),
    "pairs, 8-D": vector_case(8, 2.0, _PAIRS, ((300_000, 2_000, ("cKDTree",)),)),
    "labels, sparse 2-D": vector_case(2, 0.3, _LABELS, ((1_000_000, 21_000, _DBSCANS),)),
    "labels, dense 2-D": vector_case(
        2, 0.3, _LABELS, ((200_000, 21_000, _DBSCANS), (1_000_000, 0, ("dbscan C++",))), made.dense
    ),
    "labels, dense 4-D": vector_case(4, 0.5, _LABELS, ((100_000, 3_000, _DBSCANS_BEYOND),), made.dense),
    "pairs, places": _case(
        made.places, ("latitude", "longitude"), _PLACE, "haversine", 300.0,
        (1_000_000, 21_000, ("cKDTree on the sphere",)), (100_000, 1_000, ("BallTree",)),
    ),
    "pairs, sets": _case(
        made.sets, ("tokens",), {"set": "a"}, "jaccard", 0.3,
        (10_000, 0, ("Splink", "sparse product", "SetSimilaritySearch")),
        (100_000, 0, ("SetSimilaritySearch", "MinHash")),
    ),
    "pairs, texts, 1 edit": _case(
        made.texts, ("text",), {"text": "max(a)"}, "levenshtein", 1,
        (30_000, 0, ("symmetric deletion", "rapidfuzz")), (1_000, 1_000, ("DuckDB",)),
    ),
    "pairs, texts, 2 edits": _case(
        made.texts, ("text",), {"text": "max(a)"}, "levenshtein", 2,
        (30_000, 0, ("symmetric deletion", "rapidfuzz")), (300, 0, ("DuckDB",)),
    ),
    "pairs, embeddings of 384": _case(
        partial(made.embeddings, dimensions=384), ("embedding",), {"embedding": "max(a)"}, "cosine", 0.1,
        (20_000, 500, ("float32", "float64", "faiss")),
    ),
    "pairs, embeddings of 64": _case(
        made.embeddings, ("embedding",), {"embedding": "max(a)"}, "cosine", 0.1,
        (20_000, 0, ("float32", "float64", "faiss")),
    ),
}  # fmt: skip


def write_case(case: Case, count: int, path: Path) -> None:
    """Write the points as the stage before leaves them; equal texts and sets are one point."""
    values = case.make(count)
    if len(case.columns) > 1:
        write_points(path, **dict(zip(case.columns, values.T, strict=True)))
    elif case.columns[0] in ("tokens", "text"):
        write_points(path, **{case.columns[0]: list({str(value): value for value in values}.values())})
    else:
        write_points(path, **{case.columns[0]: list(values)})


def take_ours(name: str, path: str) -> Outcome:
    """A reading of a case by its name."""
    return take_case(CASES[name], Path(path))


def take_case(case: Case, points: Path) -> Outcome:
    """The stage `candidates`, and `clusters` where labels are compared."""
    few = points.with_name("few.parquet")
    # So many have the same executor, so that its statements are known and the worker has started.
    enough = f"SELECT greatest({MANY_POINTS}, count(*) // 10) FROM '{points}'"
    duckdb.sql(f"COPY (SELECT * FROM '{points}' WHERE point_id < ({enough})) TO '{few}' (FORMAT parquet)")
    stages = (CandidatesStage(), ClustersStage()) if case.is_labels else (CandidatesStage(),)
    with (
        tempfile.TemporaryDirectory(dir=points.parent) as home,
        days_of_points(pipeline(**case.attributes), (few, points), Path(home)) as (warm, job),
    ):
        spent, manifests = take_stages(stages, warm, job)
        note = f"executor {manifests[0].metrics['executor']}"
        table = "clusters" if case.is_labels else "candidates"
        uris = list(job.ledger.uris(manifests[-1], table))
        found = labels_of(uris) if case.is_labels else pairs_of(uris)
    return Outcome(spent, found, note)


def pairs_of(uris: list[str]) -> dict[str, int]:
    """The same sums as `found_pairs`."""
    if not uris:
        return {"pairs": 0, "low": 0, "high": 0, "products": 0}
    row = duckdb.sql(
        "SELECT count(*), sum(least(point_a, point_b)), sum(greatest(point_a, point_b)), "
        f"sum(point_a * point_b % 1000003) FROM read_parquet({uris})"
    ).fetchall()[0]
    return dict(zip(("pairs", "low", "high", "products"), map(int, row), strict=True))


def labels_of(uris: list[str]) -> dict[str, Any]:
    """The checksums of `found_labels` of a published day."""
    query = f"SELECT cluster, role = 'core' AS core FROM read_parquet({uris}) ORDER BY point_id"
    rows = duckdb.sql(query).fetchnumpy()
    return found_labels(rows["cluster"], np.asarray(rows["core"], bool))


def main(options: Options) -> None:
    """Compare all cases."""
    for name, case in CASES.items():
        for count, small, peers in case.rows:
            points = options.at(count, small)
            title = f"{name}, {points:,} points"
            if not points or not options.wants(title):
                continue
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "points.parquet"
                write_case(case, points, path)
                given = (str(path), case.columns, case.attributes["distance"]["threshold"])
                compare(
                    title,
                    Side(OURS, "benchmarks.bench_candidates:take_ours", (name, str(path))),
                    [PEERS[peer](arguments=given) for peer in peers],
                    options,
                )
