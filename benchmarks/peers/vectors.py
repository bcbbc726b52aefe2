"""Near pairs and labels of vectors, places and embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inputs.points import EARTH_RADIUS_M
from benchmarks.peers.taking import found_labels, take

if TYPE_CHECKING:
    from benchmarks.measure.readings import Outcome

MIN_SAMPLES = 10
_MARGIN = 1e-4  # float32 products of unit vectors err less


def ckdtree(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.spatial import cKDTree

        pairs = cKDTree(values).query_pairs(radius, output_type="ndarray")
        return pairs[:, 0], pairs[:, 1]

    return take(call, path, columns, threshold)


def sphere_ckdtree(path: str, columns: list[str], threshold: float) -> Outcome:
    """Places as points of the unit sphere, whose chords order as their arcs do."""

    def call(values: np.ndarray, metres: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.spatial import cKDTree

        latitude, longitude = np.radians(values).T
        flat = np.cos(latitude)
        sphere = np.column_stack([flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)])
        chord = 2 * np.sin(metres / EARTH_RADIUS_M / 2)
        pairs = cKDTree(sphere).query_pairs(chord, output_type="ndarray")
        return pairs[:, 0], pairs[:, 1]

    return take(call, path, columns, threshold)


def ball_tree(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: np.ndarray, metres: float) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.neighbors import NearestNeighbors

        near = NearestNeighbors(
            radius=metres / EARTH_RADIUS_M, metric="haversine", algorithm="ball_tree", n_jobs=2
        ).fit(np.radians(values))
        graph = near.radius_neighbors_graph(mode="connectivity").tocoo()
        once = graph.row < graph.col
        return graph.row[once], graph.col[once]

    return take(call, path, columns, threshold)


def sklearn_dbscan(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: np.ndarray, eps: float) -> dict[str, Any]:
        from sklearn.cluster import DBSCAN

        model = DBSCAN(eps=eps, min_samples=MIN_SAMPLES, algorithm="kd_tree", n_jobs=2).fit(values)
        core = np.zeros(len(values), bool)
        core[model.core_sample_indices_] = True
        return found_labels(model.labels_, core)

    return take(call, path, columns, threshold)


def cpp_dbscan(path: str, columns: list[str], threshold: float) -> Outcome:
    """The package `dbscan`: Wang, Gu and Shun, SIGMOD 2020, in C++."""

    def call(values: np.ndarray, eps: float) -> dict[str, Any]:
        from dbscan import DBSCAN

        labels, core = DBSCAN(values, eps=eps, min_samples=MIN_SAMPLES)
        # It numbers the clusters in its own order.
        found = found_labels(labels, core)
        return {name: value for name, value in found.items() if name != "labels"}

    return take(call, path, columns, threshold)


def product_float64(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: np.ndarray, cosine: float) -> tuple[np.ndarray, np.ndarray]:
        unit = values / np.linalg.norm(values, axis=1)[:, None]
        return _near_products(unit, cosine, 0.0)

    return take(call, path, columns, threshold)


def product_float32(path: str, columns: list[str], threshold: float) -> Outcome:
    """Products in single precision with a margin; what passes is computed again in double precision."""

    def call(values: np.ndarray, cosine: float) -> tuple[np.ndarray, np.ndarray]:
        unit = values / np.linalg.norm(values, axis=1)[:, None]
        a, b = _near_products(unit.astype(np.float32), cosine, _MARGIN)
        return _exact(unit, a, b, cosine)

    return take(call, path, columns, threshold)


def faiss_range(path: str, columns: list[str], threshold: float) -> Outcome:
    """Range search of a flat index in single precision, with a margin and an exact check."""

    def call(values: np.ndarray, cosine: float) -> tuple[np.ndarray, np.ndarray]:
        import faiss

        unit = values / np.linalg.norm(values, axis=1)[:, None]
        single = unit.astype(np.float32)
        index = faiss.IndexFlatIP(single.shape[1])
        index.add(single)
        limits, _, near = index.range_search(single, 1 - cosine - _MARGIN)
        a = np.repeat(np.arange(len(single)), np.diff(limits.astype(np.int64)))
        once = a < near
        return _exact(unit, a[once], near[once], cosine)

    return take(call, path, columns, threshold)


def _near_products(unit: np.ndarray, cosine: float, margin: float) -> tuple[np.ndarray, np.ndarray]:
    left, right = [], []
    for start in range(0, len(unit), 2000):
        a, b = np.nonzero(unit[start : start + 2000] @ unit[start:].T >= 1 - cosine - margin)
        once = a < b
        left.append(a[once] + start)
        right.append(b[once] + start)
    return np.concatenate(left), np.concatenate(right)


def _exact(unit: np.ndarray, a: np.ndarray, b: np.ndarray, cosine: float) -> tuple[np.ndarray, np.ndarray]:
    kept = [
        np.einsum("ij,ij->i", unit[a[start : start + 50_000]], unit[b[start : start + 50_000]]) >= 1 - cosine
        for start in range(0, len(a), 50_000)
    ]
    near = np.concatenate([np.empty(0, bool), *kept])
    return a[near], b[near]
