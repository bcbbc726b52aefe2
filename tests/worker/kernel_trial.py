"""Runs every function of a kernel library once: python kernel_trial.py LIBRARY FOLDER. For sanitizers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from lambda_worker import kernel
from lambda_worker.certificates.cells import certify_cells
from lambda_worker.certificates.points import WeightedPoints
from lambda_worker.kernel.library import Kernel
from lambda_worker.measure.grid import search_grid
from lambda_worker.measure.lists import Texts, TokenSets
from lambda_worker.measure.points import Points
from lambda_worker.measure.sets import SetSearch
from lambda_worker.measure.texts import TextSearch
from lambda_worker.union_find import DisjointSets


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
    _join(chance)


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
