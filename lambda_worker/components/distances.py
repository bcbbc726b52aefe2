"""All distances of a few thousand points, near pairs and others, by the formulas of the SQL statements.

Doubles are added dimension by dimension, as in SQL; only sines and roots may differ in the last bits. A block
of rows is measured at a time, so that beside the result little memory is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.edits import levenshtein_matrix
from lambda_worker.contract import ContractError
from lambda_worker.deadline import check_deadline
from lambda_worker.measure.distances import directions
from lambda_worker.measure.points import Points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lambda_worker.components.features import Codes, Features

    Matrix = NDArray[np.float64]

_BLOCK = 1 << 17  # distances measured at a time: a few of them stay in the cache
_DIAMETER_M = 2 * 6_371_008.8  # of the Earth's mean sphere, as in cluster_assets.metrics.haversine
_RADIANS = 0.017453292519943295


def pairwise(features: Features, metric: str) -> NDArray[np.float64]:
    """The distance of every point to every point.

    Args:
        features: Of the points.
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


def _blocks(matrix: Matrix) -> Iterator[tuple[slice, Matrix]]:
    """Some rows after the others."""
    rows = max(1, _BLOCK // max(1, len(matrix)))
    for start in range(0, len(matrix), rows):
        check_deadline()
        part = slice(start, start + rows)
        yield part, matrix[part]


def _euclidean(features: Features) -> Matrix:
    columns = np.ascontiguousarray(features.vectors.T)
    matrix = np.zeros((len(features), len(features)))
    for rows, block in _blocks(matrix):
        for values in columns:
            difference = np.subtract.outer(values[rows], values)
            difference *= difference
            np.add(block, difference, out=block)
        np.sqrt(block, out=block)
    return matrix


def _manhattan(features: Features) -> Matrix:
    return _folded(features, np.add)


def _chebyshev(features: Features) -> Matrix:
    return _folded(features, np.maximum)


def _folded(features: Features, combine: np.ufunc) -> Matrix:
    columns = np.ascontiguousarray(features.vectors.T)
    matrix = np.zeros((len(features), len(features)))
    for rows, block in _blocks(matrix):
        for values in columns:
            difference = np.subtract.outer(values[rows], values)
            np.abs(difference, out=difference)
            combine(block, difference, out=block)
    return matrix


def _cosine(features: Features) -> Matrix:
    vectors = features.vectors.T
    columns = directions(Points(np.arange(len(features)), vectors)).values
    matrix = np.zeros((len(features), len(features)))
    for rows, block in _blocks(matrix):
        for values in columns:
            np.add(block, np.multiply.outer(values[rows], values), out=block)
        np.clip(block, -1.0, 1.0, out=block)
        np.subtract(1.0, block, out=block)
    return matrix


def _haversine(features: Features) -> Matrix:
    latitude, longitude = np.ascontiguousarray(features.vectors.T) * _RADIANS
    cosine = np.cos(latitude)
    matrix = np.empty((len(features), len(features)))
    for rows, block in _blocks(matrix):
        sine = np.sin(0.5 * np.subtract.outer(latitude[rows], latitude))
        np.multiply(sine, sine, out=block)
        sine = np.sin(0.5 * np.subtract.outer(longitude[rows], longitude))
        np.add(block, np.multiply.outer(cosine[rows], cosine) * sine * sine, out=block)
        np.minimum(block, 1.0, out=block)
        np.sqrt(block, out=block)
        np.arcsin(block, out=block)
        np.multiply(block, _DIAMETER_M, out=block)
    return matrix


def _jaccard(features: Features) -> Matrix:
    return _of_sets(features, lambda a, b, common: (a + b - 2 * common) / (a + b - common))


def _dice(features: Features) -> Matrix:
    return _of_sets(features, lambda a, b, common: (a + b - 2 * common) / (a + b))


def _overlap(features: Features) -> Matrix:
    def distance(a: float, b: Matrix, common: Matrix) -> Matrix:
        smaller = np.minimum(a, b)
        return (smaller - common) / smaller

    return _of_sets(features, distance)


def _set_cosine(features: Features) -> Matrix:
    return _of_sets(features, lambda a, b, common: 1.0 - common / np.sqrt(a * b))


def _of_sets(features: Features, distance: Callable[[float, Matrix, Matrix], Matrix]) -> Matrix:
    """Distances from the sizes of two sets and the number of their common tokens."""
    sets = features.codes
    sizes = sets.lengths.astype(np.float64)
    matrix = np.empty((len(sizes), len(sizes)))
    for row, common in enumerate(_common_tokens(sets)):
        matrix[row] = distance(sizes[row], sizes, common)
    return matrix


def _common_tokens(sets: Codes) -> Iterator[Matrix]:
    """For each set how many tokens it shares with each set, shape (sets,)."""
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


def _levenshtein(features: Features) -> Matrix:
    return levenshtein_matrix(features.codes)


_MEASURES: dict[tuple[str, str], Callable[[Features], Matrix]] = {
    ("vector", "euclidean"): _euclidean,
    ("vector", "manhattan"): _manhattan,
    ("vector", "chebyshev"): _chebyshev,
    ("vector", "cosine"): _cosine,
    ("geo", "haversine"): _haversine,
    ("set", "jaccard"): _jaccard,
    ("set", "dice"): _dice,
    ("set", "overlap"): _overlap,
    ("set", "cosine"): _set_cosine,
    ("text", "levenshtein"): _levenshtein,
}
