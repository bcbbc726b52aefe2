"""HDBSCAN from coordinates, in the worker, beside scikit-learn, hdbscan and fast_hdbscan.

A first small run, which imports modules and compiles fast_hdbscan, is not timed. The worker reads Parquet and
writes labels; its peers get an array. The trees of the worker, of scikit-learn and of hdbscan must weigh the
same to 12 digits. fast_hdbscan computes in single precision, so 5 digits must do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.inputs.stages import write_points
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options

SIZES = (30_000, 200_000)
LARGE = (1_000_000,)
MOST_QUADRATIC = 30_000  # the time of scikit-learn grows with the square
PARAMETERS = {"min_cluster_size": 10, "min_samples": 10}
_SMALL = 2_000


def make_places(points: int) -> np.ndarray:
    """Four of five places in clumps of about 400, one anywhere; shape (points, 2)."""
    rng = np.random.default_rng(points)
    clumps = rng.uniform(0, 100, (max(1, points // 500), 2))
    inside = points * 4 // 5
    near = clumps[rng.integers(0, len(clumps), inside)] + rng.normal(0, 0.5, (inside, 2))
    return np.concatenate([near, rng.uniform(0, 100, (points - inside, 2))])


def take_worker(folder: str, points: int) -> Outcome:
    """The worker's operation, from a Parquet file to another."""
    from lambda_worker.contract.hdbscan import HdbscanPointsEvent
    from lambda_worker.handler import handler

    events = [
        HdbscanPointsEvent(
            points=(f"{folder}/{size}.parquet",),
            point_count=size,
            columns=("x", "y"),
            metric="euclidean",
            algorithm={"type": "hdbscan", **PARAMETERS},
            output=f"{folder}/{size}.labels",
        ).to_json()
        for size in (_SMALL, points)
    ]
    handler(events[0], None)
    with Clock() as clock:
        reply = handler(events[1], None)
    if not reply["ok"]:
        raise SystemExit(reply["error"])
    return Outcome(clock.spent, {"tree": float(reply["tree_weight"])})


def _take(call: Callable[[np.ndarray], float], points: int) -> Outcome:
    call(make_places(_SMALL))
    places = make_places(points)
    with Clock() as clock:
        weight = call(places)
    return Outcome(clock.spent, {"tree": weight})


def take_sklearn(points: int) -> Outcome:
    from sklearn.cluster import HDBSCAN

    def call(places: np.ndarray) -> float:
        found = HDBSCAN(algorithm="kd_tree", copy=True, **PARAMETERS).fit(places)
        return float(found._single_linkage_tree_["value"].sum())

    return _take(call, points)


def take_hdbscan(points: int) -> Outcome:
    import hdbscan

    def call(places: np.ndarray) -> float:
        found = hdbscan.HDBSCAN(**_without_self(), approx_min_span_tree=False).fit(places)
        return float(found.single_linkage_tree_.to_numpy()[:, 2].sum())

    return _take(call, points)


def take_fast_hdbscan(points: int) -> Outcome:
    import fast_hdbscan

    def call(places: np.ndarray) -> float:
        found = fast_hdbscan.HDBSCAN(**_without_self()).fit(places)
        return float(vars(found)["_min_spanning_tree"][:, 2].astype(np.float64).sum())

    return _take(call, points)


def _without_self() -> dict[str, int]:
    """These libraries do not count the point itself as a neighbour."""
    return PARAMETERS | {"min_samples": PARAMETERS["min_samples"] - 1}


def main(options: Options) -> None:
    """Compare all sizes."""
    sizes = (_SMALL,) if options.small else SIZES + LARGE * options.full
    for points in sizes:
        quadratic = Side("scikit-learn", f"{__name__}:take_sklearn", (points,), tolerance=1e-12)
        peers = [
            Side("fast_hdbscan", f"{__name__}:take_fast_hdbscan", (points,), "fast_hdbscan", tolerance=1e-5),
            Side("hdbscan", f"{__name__}:take_hdbscan", (points,), "hdbscan", tolerance=1e-12),
            *((quadratic,) if points <= MOST_QUADRATIC else ()),
        ]
        with tempfile.TemporaryDirectory() as folder:
            for size in {_SMALL, points}:
                x, y = make_places(size).T
                write_points(Path(folder) / f"{size}.parquet", x=x, y=y)
            ours = Side(OURS, f"{__name__}:take_worker", (folder, points))
            compare(f"HDBSCAN, 2-D, {points:,} points", ours, peers, options)
