"""What other libraries take for the same pairs or labels, in memory; reading the points is not timed."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from data import EARTH_RADIUS_M
from readings import tell

if TYPE_CHECKING:
    from pathlib import Path

Found = tuple[int, int, int, int]


def take(name: str, case: Any, points: Path) -> None:
    """One reading of a peer."""
    values = read_points(case.columns, points)
    threshold = case.attributes["distance"]["threshold"]
    PEERS[name](values[:2000], threshold)  # imports and first calls are not timed, on either side
    started = time.perf_counter()
    answer = PEERS[name](values, threshold)
    seconds = time.perf_counter() - started
    if isinstance(answer, np.ndarray):
        tell(seconds, hashlib.sha256(answer.astype(np.int64).tobytes()).hexdigest()[:16])
        return
    found, note = answer
    tell(seconds, str(found), note)


def read_points(columns: tuple[str, ...], points: Path) -> Any:
    """Lists for one column, else an array of shape (points, columns)."""
    import duckdb

    rows = duckdb.sql(f"SELECT {', '.join(columns)} FROM '{points}' ORDER BY point_id")
    if columns == ("embedding",):
        return np.array([row for (row,) in rows.fetchall()])
    if len(columns) == 1:
        return [value for (value,) in rows.fetchall()]
    return np.column_stack(list(rows.fetchnumpy().values()))


def summed(a: np.ndarray, b: np.ndarray) -> Found:
    """Number and checksums of pairs, each once, whichever way round."""
    low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
    return len(low), int(low.sum()), int(high.sum()), int((low * high % 1000003).sum())


def ckdtree(values: np.ndarray, threshold: float) -> tuple[Found, str]:
    from scipy.spatial import cKDTree

    pairs = cKDTree(values).query_pairs(threshold, output_type="ndarray")
    return summed(pairs[:, 0], pairs[:, 1]), ""


def radius_neighbors(values: np.ndarray, threshold: float) -> tuple[Found, str]:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(radius=threshold, algorithm="kd_tree", n_jobs=2).fit(values)
    graph = near.radius_neighbors_graph(mode="distance").tocoo()
    once = graph.row < graph.col
    return summed(graph.row[once], graph.col[once]), ""


def dbscan(values: np.ndarray, threshold: float) -> np.ndarray:
    from sklearn.cluster import DBSCAN

    labels: np.ndarray = (
        DBSCAN(eps=threshold, min_samples=10, algorithm="kd_tree", n_jobs=2).fit(values).labels_
    )
    return labels


def ball_tree(values: np.ndarray, threshold: float) -> tuple[Found, str]:
    from sklearn.neighbors import NearestNeighbors

    radians = np.radians(values)
    near = NearestNeighbors(
        radius=threshold / EARTH_RADIUS_M, metric="haversine", algorithm="ball_tree", n_jobs=2
    ).fit(radians)
    graph = near.radius_neighbors_graph(mode="connectivity").tocoo()
    once = graph.row < graph.col
    return summed(graph.row[once], graph.col[once]), ""


def sparse_product(values: list[list[str]], threshold: float) -> tuple[Found, str]:
    from scipy.sparse import csr_matrix

    numbers: dict[str, int] = {}
    tokens = np.array([numbers.setdefault(token, len(numbers)) for held in values for token in held])
    sizes = np.array([len(held) for held in values])
    table = csr_matrix((np.ones(len(tokens), np.int32), tokens, np.r_[0, np.cumsum(sizes)]))
    left, right = [], []
    for start in range(0, len(values), 500):
        common = (table[start : start + 500] @ table.T).tocoo()
        rows = common.row + start
        both = sizes[rows] + sizes[common.col]
        near = ((both - 2 * common.data) / (both - common.data) <= threshold) & (rows < common.col)
        left.append(rows[near])
        right.append(common.col[near])
    return summed(np.concatenate(left), np.concatenate(right)), ""


def set_similarity_search(values: list[list[str]], threshold: float) -> tuple[Found, str]:
    from SetSimilaritySearch import all_pairs

    # Its threshold is a similarity, compared in floating point: a hair below, then the exact test.
    pairs = [
        (a, b)
        for a, b, similarity in all_pairs(values, "jaccard", 1 - threshold - 1e-9)
        if 1 - similarity <= threshold + 1e-12
    ]
    found = np.array(pairs).reshape(-1, 2)
    return summed(found[:, 0], found[:, 1]), ""


def minhash(values: list[list[str]], threshold: float) -> tuple[Found, str]:
    from datasketch import MinHash, MinHashLSH

    hashes = MinHash.bulk([[token.encode() for token in held] for held in values], num_perm=128)
    index = MinHashLSH(threshold=1 - threshold, num_perm=128)
    near = set()
    held = [frozenset(tokens) for tokens in values]
    for number, one in enumerate(hashes):
        for other in index.query(one):
            union = len(held[number] | held[other])
            if (union - len(held[number] & held[other])) / union <= threshold:
                near.add((other, number))
        index.insert(number, one)
    found = np.array(sorted(near)).reshape(-1, 2)
    return summed(found[:, 0], found[:, 1]), f"finds {len(found):,}: recall below 1"


def splink(values: list[list[str]], threshold: float) -> tuple[Found, str]:
    """Its nearest equal to a set join: blocking on exploded arrays, then the exact test."""
    import duckdb
    import splink.comparison_library as comparisons
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    connection = duckdb.connect()
    connection.execute("SET threads=2")
    connection.execute("CREATE TABLE given (unique_id BIGINT, tokens VARCHAR[])")
    connection.executemany("INSERT INTO given VALUES (?, ?)", list(enumerate(values)))
    api = DuckDBAPI(connection)
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[comparisons.ArrayIntersectAtSizes("tokens", [1])],
        blocking_rules_to_generate_predictions=[block_on("tokens", arrays_to_explode=["tokens"])],
    )
    linked = Linker(api.register("given"), settings).inference.deterministic_link()
    found = connection.execute(
        "SELECT unique_id_l, unique_id_r FROM (SELECT *, len(list_intersect(tokens_l, tokens_r)) AS o, "
        f"len(tokens_l) + len(tokens_r) AS s FROM {linked.physical_name}) "
        f"WHERE (s - 2 * o) / (s - o) <= {threshold}"
    ).fetchnumpy()
    return summed(found["unique_id_l"], found["unique_id_r"]), ""


def rapidfuzz(values: list[str], threshold: float) -> tuple[Found, str]:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    left, right = [], []
    for start in range(0, len(values), 1000):
        between = cdist(
            values[start : start + 1000], values[start:], scorer=Levenshtein.distance,
            score_cutoff=int(threshold), workers=2, dtype=np.uint8,
        )  # fmt: skip
        a, b = np.nonzero(between <= threshold)
        once = a < b
        left.append(a[once] + start)
        right.append(b[once] + start)
    return summed(np.concatenate(left), np.concatenate(right)), ""


def matrix_product(values: np.ndarray, threshold: float) -> tuple[Found, str]:
    norms = np.linalg.norm(values, axis=1)
    unit = values / norms[:, None]
    left, right = [], []
    for start in range(0, len(unit), 2000):
        near = unit[start : start + 2000] @ unit[start:].T >= 1 - threshold
        a, b = np.nonzero(near)
        once = a < b
        left.append(a[once] + start)
        right.append(b[once] + start)
    return summed(np.concatenate(left), np.concatenate(right)), ""


PEERS: dict[str, Any] = {
    "cKDTree": ckdtree,
    "radius_neighbors": radius_neighbors,
    "DBSCAN": dbscan,
    "BallTree": ball_tree,
    "sparse product": sparse_product,
    "SetSimilaritySearch": set_similarity_search,
    "MinHash": minhash,
    "Splink": splink,
    "rapidfuzz": rapidfuzz,
    "matrix product": matrix_product,
}
