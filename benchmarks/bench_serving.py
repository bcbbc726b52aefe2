"""What an answer costs: processor time of `classify` and of a lookup, warm, beside other libraries.

Each kind has an index built from files as the stage builds it. The points near an item must be those that an
exact peer finds. The peers only search: their answers still lack the rule, the identity of the cluster and
the check for equal features. Items of HDBSCAN are compared with `approximate_predict` of the package hdbscan.
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.bench_hdbscan import PARAMETERS, make_places
from benchmarks.inputs.graphs import read_column
from benchmarks.inputs.served import KINDS, QUERIES, Asked, build, entity_name, write_points
from benchmarks.measure.comparing import ResultsDifferError
from benchmarks.peers.searches import SEARCHES, Search
from lambda_worker.contract.hdbscan import HdbscanPointsEvent
from lambda_worker.contract.serving import Space
from lambda_worker.serving.contract import Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure.options import Options
    from lambda_worker.serving.index import DayIndex

POINTS = {"vector": 1_000_000, "geo": 1_000_000, "text": 1_000_000, "set": 1_000_000, "embedding": 100_000}
TREE_POINTS = 30_000
LEAST_SAME = 0.99
_COMPARED = 20
_SCANS = 60  # calls of a peer that looks at every point


def measure(call: Callable[[Any], Any], asked: Any) -> tuple[float, float]:
    """Return p50 and p99 of the processor milliseconds of a call, warm."""
    for one in asked[: len(asked) // 5]:
        call(one)
    spent = []
    for one in asked:
        started = time.process_time_ns()
        call(one)
        spent.append((time.process_time_ns() - started) / 1e6)
    p50, p99 = np.percentile(spent, [50, 99])
    return float(p50), float(p99)


def answer_kind(kind: str, points: int, count: int) -> None:
    """Print the row of a kind, of its peers, and of the lookup of entities.

    Args:
        kind: Of the features.
        points: Number of points.
        count: Number of items to ask about.

    Raises:
        ResultsDifferError: An exact peer finds other points near an item.
    """
    asked = KINDS[kind](np.random.default_rng(0), points)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        algorithm = {"type": "dbscan", "min_samples": 5}
        index, seconds = build(folder, asked.space, asked.columns, algorithm)
        size = (folder / "index.safetensors").stat().st_size / 1e6
        print(
            f"\n{kind}, {len(asked.columns[0]):,} points: index of {size:,.0f} MB built in {seconds:.1f} s",
            flush=True,
        )
        _print("cluster-assets, answer", *measure(lambda item: index.classify([item]), asked.items[:count]))
        for make, needs in SEARCHES[kind]:
            if needs and importlib.util.find_spec(needs) is None:
                print(f"  not installed: {needs}")
                continue
            search = make(asked)
            share = _compare(index, asked, search)
            queries = asked.queries[: min(count, _SCANS) if "scan" in search.name else count // 3]
            note = "" if search.is_exact else f"finds {share:.1%} of the near points"
            _print(f"{search.name}, search", *measure(search.near, queries), note)
        if kind == "vector":
            chance = np.random.default_rng(1)
            names = [entity_name(k) for k in chance.integers(0, points, count).tolist()]
            _print("cluster-assets, lookup of an entity", *measure(index.entity, names))


def _compare(index: DayIndex, asked: Asked, search: Search) -> float:
    """Return the share of the near points that a peer finds."""
    ours, both = 0, 0
    for item, query in list(zip(asked.items, asked.queries, strict=True))[:_COMPARED]:
        near = index._structure.near(index._queries.prepare(0, item))  # noqa: SLF001
        mine = {int(one) for one in near.ids}
        theirs = {int(one) for one in search.near(query)}
        if search.is_exact and mine != theirs:
            raise ResultsDifferError(f"{search.name} finds {sorted(theirs)}, the index {sorted(mine)}")
        ours, both = ours + len(mine), both + len(mine & theirs)
    return both / ours if ours else 1.0


def _print(name: str, p50: float, p99: float, note: str = "") -> None:
    print(f"  {name:38} p50 {p50:8.3f} ms, p99 {p99:8.3f} ms of processor  {note}", flush=True)


def answer_tree(points: int) -> None:
    """Print the rows of HDBSCAN, and how often the answers agree.

    Raises:
        ResultsDifferError: They do not agree on nearly all items.
    """
    from sklearn.cluster import HDBSCAN

    from lambda_worker.handler import handler

    places = make_places(points)
    chance = np.random.default_rng(2)
    queries = places[chance.integers(0, points, QUERIES)] + chance.normal(0, 0.2, (QUERIES, 2))
    space = Space("vector", ("x0", "x1"), "euclidean", 1.0)
    algorithm = {"type": "hdbscan", **PARAMETERS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_points(str(folder / "p.parquet"), space, list(places.T))
        reply = handler(
            HdbscanPointsEvent(
                points=(str(folder / "p.parquet"),),
                point_count=points,
                columns=space.columns,
                metric="euclidean",
                algorithm=algorithm,
                output=str(folder / "labels.parquet"),
                tree=str(folder / "tree.parquet"),
            ).to_json(),
            None,
        )
        if not reply["ok"]:
            raise SystemExit(reply["error"])
        labels = read_column(str(folder / "labels.parquet"), "cluster")
        _write_clusters(folder / "clusters.parquet", folder / "labels.parquet")
        index, seconds = build(folder, space, list(places.T), algorithm, str(folder / "tree.parquet"))
        items = [Item(vector=tuple(row)) for row in queries.tolist()]
        print(f"\nhdbscan, {points:,} points: index built in {seconds:.1f} s", flush=True)
        theirs = HDBSCAN(copy=True, **PARAMETERS).fit(places).labels_
        # Equal distances leave a choice, which scikit-learn makes differently for each order of the points.
        if min(_same_partition(labels, theirs), _same_partition(theirs, labels)) < LEAST_SAME:
            raise ResultsDifferError("the labels are not those of scikit-learn")
        _print("cluster-assets, answer", *measure(lambda item: index.classify([item]), items))
        if importlib.util.find_spec("hdbscan") is None:
            print("  not installed: hdbscan")
            return
        import hdbscan

        samples = PARAMETERS["min_samples"] - 1  # it does not count the point itself
        model = hdbscan.HDBSCAN(
            **PARAMETERS | {"min_samples": samples}, approx_min_span_tree=False, prediction_data=True
        ).fit(places)
        theirs = hdbscan.approximate_predict(model, queries)[0]
        ours = np.array([one.cluster for one in index.classify(items)])
        same = _same_partition(ours, theirs)
        rows = list(queries[: QUERIES // 5])
        spent = measure(lambda row: hdbscan.approximate_predict(model, row[None]), rows)
        _print("hdbscan, approximate_predict", *spent, f"agrees on {same:.1%} of the items")
        if same < LEAST_SAME:
            raise ResultsDifferError(f"approximate_predict agrees on {same:.1%} of the items only")


def _same_partition(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Share of items that are in the cluster that most of its items have there; noise is its own cluster."""
    same = sum(np.unique(theirs[ours == one], return_counts=True)[1].max() for one in np.unique(ours))
    return float(same / len(ours))


def _write_clusters(path: Path, labels: Path) -> None:
    """Write the table `clusters` from the labels of the worker, an entity for each point."""
    import duckdb

    named = f"SELECT lpad(point_id::VARCHAR, 9, '0') AS entity, * FROM '{labels}' ORDER BY entity"
    duckdb.sql(f"COPY ({named}) TO '{path}' (FORMAT parquet)")


def main(options: Options) -> None:
    """Print the table."""
    for kind, points in POINTS.items():
        if options.wants(kind):
            answer_kind(kind, options.at(points, 2_000), options.at(QUERIES, 60))
    if options.wants("hdbscan"):
        answer_tree(options.at(TREE_POINTS, 2_000))
