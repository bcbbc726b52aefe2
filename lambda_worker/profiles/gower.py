"""Gower's distance of several features: the weighted mean of one distance between 0 and 1 for each.

The formulas, and the order in which they are added, are those of `sql/candidates/gower.sql`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.components.distances import pairwise
from lambda_worker.components.features import read_points
from lambda_worker.contract import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.components.features import Codes, Features
    from lambda_worker.contract.profiles import Part

    Matrix = NDArray[np.float64]
    Bigints = tuple[NDArray[np.int64], ...]

# How a feature is read and measured: kind and metric of its column.
_READ_AS = {
    "number": ("vector", "manhattan"),
    "category": ("text", ""),
    "set": ("set", "jaccard"),
    "text": ("text", "levenshtein"),
    "geo": ("geo", "haversine"),
}
_HALF_WAY_ROUND_M = 6_371_008.8 * math.pi


@dataclass(frozen=True, slots=True)
class MixedSpace:
    """Points with several features.

    Attributes:
        parts: What the features are.
        features: Of each part, by row.
    """

    parts: tuple[Part, ...]
    features: tuple[Features, ...]

    def distances(self, rows: slice) -> Matrix:
        """The distance of some points to each other, shape (rows, rows)."""
        total: Matrix | None = None
        for part, features in zip(self.parts, self.features, strict=True):
            term = _distances(part, features.take(rows))
            term *= part.weight
            total = term if total is None else np.add(total, term, out=total)
            del term  # two matrices at a time, not three
        assert total is not None  # noqa: S101  # read_mixed has refused no parts
        total /= reduce(add, (part.weight for part in self.parts))  # in this order; sum() may not keep it
        return total

    def ordered(self, order: NDArray[np.intp]) -> MixedSpace:
        """The same points in another order."""
        return MixedSpace(self.parts, tuple(features.take(order) for features in self.features))


def read_mixed(
    addresses: tuple[str, ...], numbers: tuple[str, ...], parts: tuple[Part, ...], batch_rows: int
) -> tuple[Bigints, MixedSpace]:
    """Read whole files of points with several features; once for each, for no more room than they take.

    Args:
        addresses: Parquet files, rows in any order.
        numbers: BIGINT columns.
        parts: The features.
        batch_rows: Most rows decoded at a time.

    Returns:
        The BIGINT columns, shape (points,), and the space, both in the order of files and rows.

    Raises:
        InputError: A file is not of the contract.
        ContractError: There are no parts.
    """
    if not parts:
        raise ContractError("mixed features need parts")
    found: list[Features] = []
    bigints: Bigints = ()
    for part in parts:
        kind, _ = _READ_AS[part.kind]
        bigints, features = read_points(addresses, numbers, kind, _columns(part), batch_rows)
        found.append(features)
    return bigints, MixedSpace(parts, tuple(found))


def _columns(part: Part) -> tuple[str, ...]:
    return (f"{part.name}_latitude", f"{part.name}_longitude") if part.kind == "geo" else (part.name,)


def _distances(part: Part, features: Features) -> Matrix:
    if part.kind == "category":
        numbers = _numbered(features.codes)
        return np.not_equal.outer(numbers, numbers).astype(np.float64)
    matrix = pairwise(features, _READ_AS[part.kind][1])
    if part.kind == "number":
        matrix *= 0.0 if part.width == 0 else 1.0
        matrix /= part.width or 1.0
    elif part.kind == "text":
        lengths = features.codes.lengths
        matrix /= np.maximum(np.maximum.outer(lengths, lengths), 1)
    elif part.kind == "geo":
        matrix /= _HALF_WAY_ROUND_M
    return matrix


def _numbered(texts: Codes) -> NDArray[np.int64]:
    """A number for each row, the same one for equal texts."""
    known: dict[bytes, int] = {}
    rows = zip(texts.offsets[:-1].tolist(), texts.offsets[1:].tolist(), strict=True)
    keys = (texts.values[start:end].tobytes() for start, end in rows)
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
