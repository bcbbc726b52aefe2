"""All distances of a few thousand points, by the formulas of the SQL statements.

Doubles are added dimension by dimension, as in SQL; only sines and roots may differ in the last bits. Rows
are measured in blocks, so that little memory is needed besides the result.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.kernel import loaded
from lambda_worker.kernel.kd_tree import NUMBERS
from lambda_worker.metrics.edits import levenshtein_matrix
from lambda_worker.metrics.globe import Places
from lambda_worker.metrics.listed import METRICS, directions
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.points import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_worker.arrays import Floats
    from lambda_worker.tables.features import Codes, Features


_BLOCK = 1 << 17  # distances measured at a time: a few of them stay in the cache

# From the sizes of two sets and the number of their common tokens, as in sql/candidates/sets/candidates.sql.
SET_DISTANCES: dict[str, Callable[[Any, Any, Floats], Floats]] = {
    "jaccard": lambda a, b, common: (a + b - 2 * common) / (a + b - common),
    "dice": lambda a, b, common: (a + b - 2 * common) / (a + b),
    "overlap": lambda a, b, common: (np.minimum(a, b) - common) / np.minimum(a, b),
    "cosine": lambda a, b, common: 1.0 - common / np.sqrt(a * b),
}


def pairwise(features: Features, metric: str) -> Floats:
    """Compute the distance of every point to every point.

    Args:
        features: The features of the points.
        metric: `euclidean`, `manhattan`, `chebyshev` or `cosine` of vectors and embeddings, `haversine` of
            places, in metres; `jaccard`, `dice`, `overlap` or `cosine` of sets; `levenshtein` of texts.

    Returns:
        Shape (points, points), symmetric, zeros on the diagonal.

    Raises:
        ContractError: The kind has no such metric.
    """
    kind = "vector" if features.kind == "embedding" else features.kind
    if (kind, metric) not in _MEASURES:
        raise ContractError(f"features of the kind {features.kind} have no metric {metric!r}")
    matrix = _MEASURES[kind, metric](features)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _blocks(matrix: Floats) -> Iterator[tuple[slice, Floats]]:
    """Yield blocks of rows."""
    rows = max(1, _BLOCK // max(1, len(matrix)))
    for start in range(0, len(matrix), rows):
        check_deadline()
        part = slice(start, start + rows)
        yield part, matrix[part]


def _of_vectors(features: Features, name: str) -> Floats:
    columns, metric = np.ascontiguousarray(features.vectors.T), METRICS[name]
    if metric.of_directions:
        columns = directions(Points(np.arange(len(features)), columns)).values
    matrix = np.empty((len(features), len(features)))
    kernel = loaded()
    for rows, block in _blocks(matrix):
        if kernel:
            kernel.measure_rows(NUMBERS[name], columns, rows.start, block)
            continue
        metric.reduce(((values[rows, np.newaxis], values) for values in columns), block)
        block[:] = metric.restore(block)
    return matrix


def _haversine(features: Features) -> Floats:
    places = Places.of(np.ascontiguousarray(features.vectors.T))
    matrix = np.empty((len(features), len(features)))
    for rows, block in _blocks(matrix):
        block[:] = places.distances(rows)
    return matrix


def _of_sets(features: Features, distance: Callable[[float, Floats, Floats], Floats]) -> Floats:
    """Distances from the sizes of two sets and the number of their common tokens."""
    sets = features.codes
    sizes = sets.lengths.astype(np.float64)
    matrix = np.empty((len(sizes), len(sizes)))
    for row, common in enumerate(_common_tokens(sets)):
        matrix[row] = distance(sizes[row], sizes, common)
    return matrix


def _common_tokens(sets: Codes) -> Iterator[Floats]:
    """Yield for each set the number of tokens it shares with every set, shape (sets,)."""
    _, values = np.unique(sets.values, return_inverse=True)
    is_own = np.zeros(len(values), np.bool_)
    found = np.zeros(len(values) + 1)
    for start, end in zip(sets.offsets[:-1].tolist(), sets.offsets[1:].tolist(), strict=True):
        check_deadline()
        own = values[start:end]
        is_own[own] = True
        np.cumsum(is_own.take(values), out=found[1:])
        is_own[own] = False
        yield np.diff(found.take(sets.offsets))


_MEASURES: dict[tuple[str, str], Callable[[Features], Floats]] = {
    **{("vector", name): partial(_of_vectors, name=name) for name in METRICS},
    **{("set", name): partial(_of_sets, distance=distance) for name, distance in SET_DISTANCES.items()},
    ("geo", "haversine"): _haversine,
    ("text", "levenshtein"): lambda features: levenshtein_matrix(features.codes),
}
