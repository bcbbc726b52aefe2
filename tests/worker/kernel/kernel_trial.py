"""Runs every function of a kernel library once: python kernel_trial.py LIBRARY FOLDER. For sanitizers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[3]))

from lambda_worker import kernel
from lambda_worker.clusterers.hdbscan.hierarchy import cluster_forest
from lambda_worker.clusterers.hdbscan.parameters import Hdbscan
from lambda_worker.clusterers.hdbscan.reachability import span_points
from lambda_worker.clusterers.kmeans.sums import RoundSums, Units
from lambda_worker.graph.union_find import DisjointSets
from lambda_worker.kernel.library import Kernel
from lambda_worker.metrics.listed import build_metric
from lambda_worker.metrics.nearest import Nearest
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.pairs.certificate_cells import certify_cells
from lambda_worker.pairs.certificate_tree import certify_tree
from lambda_worker.pairs.grid import search_grid
from lambda_worker.pairs.sets import SetSearch
from lambda_worker.pairs.texts import TextSearch
from lambda_worker.tables.features import Features
from lambda_worker.tables.lists import Texts, TokenSets
from lambda_worker.tables.points import Batch, Points, WeightedPoints


def main() -> None:
    """Random points of every kind; the sanitizer ends the process at the first wrong access."""
    found = Kernel(Path(sys.argv[1]))
    kernel._load = lambda: found  # type: ignore[assignment]
    chance = np.random.default_rng(1)
    for dimensions in (1, 2, 3):
        for spread in (0.5, 5.0, 50.0):
            values = chance.uniform(0, spread, (dimensions, 700))
            for metric in ("euclidean", "manhattan", "chebyshev"):
                points = WeightedPoints(values, chance.integers(1, 3, 700))
                certificate = certify_cells(points, metric, 1.0, 6)
                assert certificate is not None
                certified = sum(len(pairs[0]) for pairs in certificate.pairs())
                home = Points(np.arange(700), values)
                search = search_grid(home.take(slice(0, 500)), home.take(slice(500, 700)), metric, 1.0)
                assert search is not None
                listed = sum(len(pairs[0]) for pairs in search.pairs())
                sys.stdout.write(f"certified {certified}, listed {listed}\n")
    sets = DisjointSets(1_000)
    pairs = np.sort(chance.integers(0, 1_000, (3_000, 2)), axis=1)
    a, b = np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1])
    sets.unite(a[:500], b[:500])
    sets.unite_cores(a[500:1000], b[500:1000], chance.random(1_000) < 0.5)
    sets.join_in_order(a.astype(np.int32), b.astype(np.int32), chance.permutation(3_000))
    sets.find(a)
    degrees = np.zeros(1_000, np.int64)
    found.call.add_degrees(degrees, a, b, len(a))
    found.call.add_weights(degrees, np.arange(1_000), a, b, len(a))
    found.call.lower_borders(np.arange(1_000, dtype=np.int32), chance.random(1_000) < 0.5, a, b, len(a))
    _measure(chance)
    _join(chance)
    _span(chance)
    _certify(chance)
    _centre(chance)


def _measure(chance: np.random.Generator) -> None:
    """Listed pairs of points in both layouts, in portions that are not full; and all pairs."""
    for pairs in (0, 1, 8, 1_001):
        one = Points(np.arange(50), chance.standard_normal((70, 50)))
        other = Points(np.arange(90), np.asfortranarray(chance.standard_normal((70, 90))))
        rows, columns = chance.integers(0, 50, pairs), chance.integers(0, 90, pairs)
        near = build_metric("cosine", 1.0).measure(one, rows, other, columns)
        sys.stdout.write(f"near {len(near.distance)}\n")
    for metric in ("euclidean", "manhattan", "chebyshev", "cosine"):
        for points in (0, 1, 257):
            features = Features("vector", rows=chance.standard_normal((points, 3)))
            sys.stdout.write(f"all {pairwise(features, metric).size}\n")


def _span(chance: np.random.Generator) -> None:
    """Trees of all metrics, and merges with many ties."""
    for metric, dimensions in (("euclidean", 1), ("manhattan", 3), ("chebyshev", 7), ("cosine", 10)):
        for points in (1, 2, 16, 17, 700):
            values = np.round(chance.uniform(0, 8, (dimensions, points)), 1)
            _cluster(WeightedPoints(values, chance.integers(1, 4, points)), metric)
    places = np.stack([chance.uniform(-90, 90, 700), chance.uniform(-180, 180, 700)])
    _cluster(WeightedPoints(places, np.ones(700, np.int64)), "haversine")


def _certify(chance: np.random.Generator) -> None:
    """Trees of few and of many points, sparse, dense and with ties."""
    for metric, dimensions in (("euclidean", 4), ("manhattan", 6), ("chebyshev", 10)):
        for points in (1, 2, 16, 17, 700):
            for spread in (0.5, 2.0, 8.0):
                values = np.round(chance.uniform(0, spread, (dimensions, points)), 1)
                found = certify_tree(
                    WeightedPoints(values, chance.integers(1, 4, points)), metric, 1.0, 1 + points % 7
                )
                assert found is not None
                sys.stdout.write(f"witnesses {sum(len(pairs[0]) for pairs in found.pairs())}\n")


def _centre(chance: np.random.Generator) -> None:
    """Points in portions that are not full, with one and with more centres."""
    for dimensions, points, centres in ((1, 0, 1), (1, 7, 1), (3, 8, 2), (8, 701, 40)):
        values, places = chance.random((dimensions, points)), chance.random((dimensions, centres))
        labels, distances = Nearest(places).find(values)
        sums = RoundSums(dimensions, centres)
        batch = Batch(np.arange(points), np.ones(points, np.int64), values)
        sums.add(batch, labels, distances, Units.of_range(np.zeros(dimensions), np.ones(dimensions)))
        sys.stdout.write(f"entities {sums.entities.sum()}\n")


def _cluster(points: WeightedPoints, metric: str) -> None:
    for samples in (1, 5, 2_000):
        core, forest = span_points(WeightedPoints(points.values.copy(), points.weights), metric, samples)
        found = cluster_forest(forest, points.weights, core, Hdbscan(min_cluster_size=4, min_samples=samples))
        sys.stdout.write(f"clusters {found.labels.clusters}\n")


def _join(chance: np.random.Generator) -> None:
    """Texts and sets of all sizes, from empty ones on."""
    for letters, longest in ((2, 8), (30, 40), (70_000, 3)):
        lengths = chance.integers(0, longest, 900)
        codes = chance.integers(1, letters, int(lengths.sum())).astype(np.int32)
        texts = Texts(np.arange(900), codes, np.cumsum(lengths) - lengths, lengths)
        for edits in (1, 2, 5, 12):
            search = TextSearch(texts, edits)
            search.count_tests(10**9)
            sys.stdout.write(f"texts {sum(len(pairs[0]) for pairs in search.pairs())}\n")
    for vocabulary, largest in ((40, 12), (100_000, 300)):
        sizes = chance.integers(1, largest, 700)
        tokens = [chance.choice(vocabulary, size, replace=False) for size in sizes]
        words = [b"x" * int(token % 20) + str(token).encode() for one in tokens for token in one]
        bounds = np.append(0, np.cumsum([len(word) for word in words]))
        text = np.frombuffer(b"".join(words), np.uint8)
        sets = TokenSets(np.arange(700), np.cumsum(sizes) - sizes, sizes, text, bounds)
        for metric in ("jaccard", "dice", "overlap", "cosine"):
            for threshold in (0.2, 0.8, 1.0):
                found = SetSearch(sets, metric, threshold)
                sys.stdout.write(f"sets {sum(len(pairs[0]) for pairs in found.pairs())}\n")


if __name__ == "__main__":
    main()
