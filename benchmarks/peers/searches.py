"""Searches of the points near one item, as the peers of answers; each answers one item a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inputs.points import EARTH_RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.inputs.served import Asked

_COSINE_NEIGHBOURS = 64


@dataclass(frozen=True)
class Search:
    """A peer.

    Attributes:
        name: Shown in the table.
        near: Returns the numbers of the points near an item, see `Asked.queries`.
        is_exact: Whether it finds all of them.
    """

    name: str
    near: Callable[[Any], Any]
    is_exact: bool = True


def sklearn_vectors(asked: Asked) -> Search:
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(radius=asked.space.threshold).fit(asked.values)
    return Search("scikit-learn", lambda row: found.radius_neighbors(row[None])[1][0])


def ckdtree_vectors(asked: Asked) -> Search:
    from scipy.spatial import cKDTree

    tree = cKDTree(asked.values)
    return Search("cKDTree", lambda row: tree.query_ball_point(row, asked.space.threshold))


def sklearn_places(asked: Asked) -> Search:
    from sklearn.neighbors import NearestNeighbors

    radius = (asked.space.threshold or 0.0) / EARTH_RADIUS_M
    found = NearestNeighbors(radius=radius, metric="haversine", algorithm="ball_tree")
    found.fit(np.radians(asked.values))
    return Search("scikit-learn", lambda row: found.radius_neighbors(np.radians(row[None]))[1][0])


def sklearn_embeddings(asked: Asked) -> Search:
    from sklearn.neighbors import NearestNeighbors

    # Of unit vectors, distances order as cosines do.
    found = NearestNeighbors(radius=(2 * (asked.space.threshold or 0.0)) ** 0.5).fit(asked.values)
    return Search("scikit-learn", lambda row: found.radius_neighbors(row[None])[1][0])


def usearch_embeddings(asked: Asked) -> Search:
    """Its 64 nearest within the threshold; approximate."""
    from usearch.index import Index

    index = Index(ndim=asked.values.shape[1], metric="cos", dtype="f32")
    index.add(np.arange(len(asked.values)), asked.values.astype(np.float32))

    def near(row: Any) -> Any:
        found = index.search(row.astype(np.float32), _COSINE_NEIGHBOURS)
        return found.keys[found.distances <= asked.space.threshold]

    return Search("usearch", near, is_exact=False)


def duckdb_texts(asked: Asked) -> Search:
    """A scan with DuckDB's own function: the truth, no rival."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads=1")
    connection.execute(
        "CREATE TABLE given AS SELECT unnest(?) AS t, unnest(range(?)) AS n",
        [asked.values, len(asked.values)],
    )
    query = f"SELECT n FROM given WHERE levenshtein(t, ?) <= {asked.space.threshold}"
    return Search("DuckDB, a scan", lambda text: connection.execute(query, [text]).fetchnumpy()["n"])


def python_sets(asked: Asked) -> Search:
    """A scan with sets of Python: the truth, no rival."""
    held = [frozenset(one) for one in asked.values]
    limit = asked.space.threshold or 0.0

    def near(one: Any) -> list[int]:
        tokens = frozenset(one)
        return [
            number
            for number, other in enumerate(held)
            if 1 - len(tokens & other) / len(tokens | other) <= limit + 1e-12
        ]

    return Search("Python, a scan", near)


SEARCHES: dict[str, tuple[tuple[Callable[[Asked], Search], str], ...]] = {
    "vector": ((sklearn_vectors, ""), (ckdtree_vectors, "")),
    "geo": ((sklearn_places, ""),),
    "text": ((duckdb_texts, ""),),
    "set": ((python_sets, ""),),
    "embedding": ((sklearn_embeddings, ""), (usearch_embeddings, "usearch")),
}
"""The searches of each kind, with the module that each needs."""
