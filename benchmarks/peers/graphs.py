"""Components, labels and trees of a graph, from the files that the worker reads; reading them is timed."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inputs.graphs import read_column
from benchmarks.measure.processes import Clock
from benchmarks.measure.readings import Outcome
from benchmarks.peers.taking import found_labels

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Labels = NDArray[np.int64]

MIN_SAMPLES = 18


def _take(call: Callable[[dict[str, Any]], Labels], event: dict[str, Any], *modules: str) -> Outcome:
    for module in modules:  # imports are not timed
        importlib.import_module(module)
    with Clock() as clock:
        labels = call(event)
    return Outcome(clock.spent, found_labels(labels))


def _ends(event: dict[str, Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    path = event["candidates"][0]
    return read_column(path, "point_a"), read_column(path, "point_b")


def _numbered(labels: NDArray[Any]) -> Labels:
    """Number components by their smallest point."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def scipy_components(event: dict[str, Any]) -> Outcome:
    def call(event: dict[str, Any]) -> Labels:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        a, b = _ends(event)
        n = event["point_count"]
        graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(n, n))
        labels: Labels = connected_components(graph, directed=False)[1].astype(np.int64)
        return labels

    return _take(call, event, "scipy.sparse.csgraph")


def networkit_components(event: dict[str, Any]) -> Outcome:
    def call(event: dict[str, Any]) -> Labels:
        import networkit

        a, b = _ends(event)
        n = event["point_count"]
        graph = networkit.GraphFromCoo((a.astype(np.uint64), b.astype(np.uint64)), n=n)
        found = networkit.components.ConnectedComponents(graph)
        found.run()
        return _numbered(np.asarray(found.getPartition().getVector(), np.int64))

    return _take(call, event, "networkit")


def rustworkx_components(event: dict[str, Any]) -> Outcome:
    def call(event: dict[str, Any]) -> Labels:
        import rustworkx

        a, b = _ends(event)
        graph = rustworkx.PyGraph(multigraph=False)
        graph.add_nodes_from(range(event["point_count"]))
        graph.add_edges_from_no_data(list(zip(a.tolist(), b.tolist(), strict=True)))
        labels = np.empty(event["point_count"], np.int64)
        for number, part in enumerate(sorted(rustworkx.connected_components(graph), key=min)):
            labels[np.fromiter(part, np.int64, len(part))] = number
        return labels

    return _take(call, event, "rustworkx")


def splink_components(event: dict[str, Any]) -> Outcome:
    def call(event: dict[str, Any]) -> Labels:
        import duckdb
        from splink import DuckDBAPI
        from splink.clustering import cluster_pairwise_predictions_at_threshold

        with duckdb.connect() as connection:
            connection.execute("SET threads=2")
            connection.execute(f"CREATE TABLE nodes AS SELECT point_id FROM '{event['points'][0]}'")
            pairs = f"SELECT point_a, point_b FROM '{event['candidates'][0]}'"
            connection.execute(f"CREATE TABLE edges AS {pairs}")
            found = cluster_pairwise_predictions_at_threshold(
                connection.table("nodes"),
                connection.table("edges"),
                db_api=DuckDBAPI(connection),
                node_id_column_name="point_id",
                edge_id_column_name_left="point_a",
                edge_id_column_name_right="point_b",
            )
            query = f"SELECT cluster_id AS c FROM {found.physical_name} ORDER BY point_id"
            return _numbered(connection.execute(query).fetchnumpy()["c"])

    return _take(call, event, "splink.clustering")


def scipy_tree(event: dict[str, Any]) -> Outcome:
    """A minimum spanning forest, and its components."""

    def call(event: dict[str, Any]) -> Labels:
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

        (a, b), n = _ends(event), event["point_count"]
        distance = read_column(event["candidates"][0], "distance")
        tree = minimum_spanning_tree(coo_matrix((distance, (a, b)), shape=(n, n)).tocsr())
        labels: Labels = connected_components(tree, directed=False)[1].astype(np.int64)
        return labels

    return _take(call, event, "scipy.sparse.csgraph")


def sklearn_dbscan(event: dict[str, Any]) -> Outcome:
    """Of the precomputed graph."""

    def call(event: dict[str, Any]) -> Labels:
        from scipy.sparse import coo_matrix
        from sklearn.cluster import DBSCAN

        (a, b), n = _ends(event), event["point_count"]
        distance = read_column(event["candidates"][0], "distance")
        half = coo_matrix((distance, (a, b)), shape=(n, n)).tocsr()
        model = DBSCAN(eps=1.0, min_samples=MIN_SAMPLES, metric="precomputed")
        labels: Labels = model.fit(half + half.T).labels_
        return labels

    return _take(call, event, "sklearn.cluster", "scipy.sparse")
