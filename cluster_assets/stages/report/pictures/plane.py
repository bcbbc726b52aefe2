"""Projections of points onto the plane."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Matrix = npt.NDArray[np.float64]

_HASHED = 1024
_GRAM = 3


@dataclass(frozen=True, slots=True)
class Plane:
    """Positions of points, shape (points, 2), and what the axes are."""

    positions: Matrix
    axes: tuple[str, str]


def plane_of_dimensions(values: Matrix, names: Sequence[str]) -> Plane:
    """Two dimensions as they are; of more, their principal components.

    Args:
        values: Shape (points, dimensions).
        names: What each dimension is.
    """
    if values.shape[1] == 1:
        return Plane(np.column_stack([values[:, 0], np.zeros(len(values))]), (names[0], ""))
    if values.shape[1] == 2:
        return Plane(values, (names[0], names[1]))
    positions, shares, loadings = principal_components(values)
    axes = [
        f"component {k + 1}: {share:.0%} of the variance, mostly {_leading(loading, names)}"
        for k, (share, loading) in enumerate(zip(shares, loadings, strict=True))
    ]
    return Plane(positions, (axes[0], axes[1]))


def plane_of_directions(values: Matrix, *, is_cosine: bool) -> Plane:
    """Principal components of embeddings; under the cosine only their directions count.

    Args:
        values: Shape (points, dimensions).
        is_cosine: Whether lengths are left out of account.
    """
    if is_cosine and values.size:
        lengths = np.linalg.norm(values, axis=1, keepdims=True)
        values = values / np.where(lengths > 0.0, lengths, 1.0)
    return _components(values, "component")


def plane_of_texts(texts: Sequence[str]) -> Plane:
    """Principal components of how often each three letters follow one another in a text.

    Letters are counted in hashed columns, as scikit-learn's HashingVectorizer does, each row of length 1.
    """
    counts = np.zeros((len(texts), _HASHED))
    for row, text in enumerate(texts):
        framed = f"\x02{text}\x03"
        for start in range(max(len(framed) - _GRAM + 1, 0)):
            counts[row, zlib.crc32(framed[start : start + _GRAM].encode()) % _HASHED] += 1.0
    lengths = np.linalg.norm(counts, axis=1, keepdims=True)
    return _components(counts / np.where(lengths > 0.0, lengths, 1.0), "component of the letters")


def plane_of_parts(parts: Sequence[Matrix]) -> Plane:
    """Principal components of several features side by side, each of them brought to variance 1 in all.

    Args:
        parts: Shape (points, columns) each.
    """
    scaled = []
    for part in parts:
        spread = float(np.sqrt(part.var(axis=0).sum())) if len(part) else 0.0
        scaled.append(part / spread if spread > 0.0 else part * 0.0)
    return _components(np.concatenate(scaled, axis=1), "component of all features")


def one_hot(values: Sequence[str | Sequence[str]], most: int = 64) -> Matrix:
    """A column for each of the commonest values; a row may show several."""
    counts: dict[str, int] = {}
    rows = [(value,) if isinstance(value, str) else tuple(value) for value in values]
    for row in rows:
        for value in row:
            counts[value] = counts.get(value, 0) + 1
    chosen = sorted(counts, key=lambda value: (-counts[value], value))[:most]
    column = {value: k for k, value in enumerate(chosen)}
    table = np.zeros((len(rows), max(len(chosen), 1)))
    for k, row in enumerate(rows):
        for value in row:
            if value in column:
                table[k, column[value]] = 1.0
    return table


def principal_components(values: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """The two directions of largest variance, each turned so that its largest loading is positive.

    Args:
        values: Shape (points, dimensions).

    Returns:
        Positions (points, 2), shares of the variance (2), loadings (2, dimensions).
    """
    points, dimensions = values.shape
    largest = float(np.abs(values).max()) if values.size else 0.0
    if points < 2 or largest == 0.0:
        return np.zeros((points, 2)), np.zeros(2), np.zeros((2, dimensions))
    centred = values / largest  # squares of what a vector may hold stay finite
    centred = centred - centred.mean(axis=0)
    _, singular, turned = np.linalg.svd(centred, full_matrices=False)
    loadings = np.zeros((2, dimensions))
    loadings[: min(2, len(turned))] = turned[:2]
    signs = np.sign(loadings[np.arange(2), np.abs(loadings).argmax(axis=1)])
    loadings *= np.where(signs == 0.0, 1.0, signs)[:, None]
    variance = np.zeros(2)
    variance[: min(2, len(singular))] = singular[:2] ** 2
    total = float((singular**2).sum())
    return centred @ loadings.T * largest, variance / total if total > 0.0 else variance, loadings


def _components(values: Matrix, what: str) -> Plane:
    positions, shares, _ = principal_components(values)
    return Plane(
        positions,
        (f"{what} 1: {shares[0]:.0%} of the variance", f"{what} 2: {shares[1]:.0%} of the variance"),
    )


def _leading(loading: Matrix, names: Sequence[str]) -> str:
    return names[int(np.abs(loading).argmax())]
