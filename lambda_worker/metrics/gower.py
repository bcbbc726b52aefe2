"""Gower's distance of several features: the weighted mean of one distance between 0 and 1 per feature.

The formulas and the order of addition are those of `sql/candidates/mixed/candidates.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import ContractError
from lambda_worker.metrics.globe import HALF_WAY_ROUND_M
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.tables.features import read_points

if TYPE_CHECKING:
    from lambda_worker.arrays import Bigints, Floats, Indices, Ints
    from lambda_worker.contract.profiles import Part
    from lambda_worker.tables.features import Codes, Features


# How a feature is read and measured: kind and metric of its column.
_READ_AS = {
    "number": ("vector", "manhattan"),
    "category": ("text", ""),
    "set": ("set", "jaccard"),
    "text": ("text", "levenshtein"),
    "geo": ("geo", "haversine"),
}


@dataclass(frozen=True, slots=True)
class MixedFeatures:
    """Points with several features.

    Attributes:
        parts: Descriptions of the features.
        features: The values of each feature, by row.
    """

    parts: tuple[Part, ...]
    features: tuple[Features, ...]

    def distances(self) -> Floats:
        """Return the distances of the points to each other, shape (points, points)."""
        total: Floats | None = None
        for part, features in zip(self.parts, self.features, strict=True):
            term = _distances(part, features)
            term *= part.weight
            total = term if total is None else np.add(total, term, out=total)
            del term  # two matrices at a time, not three
        assert total is not None  # noqa: S101  # read_mixed has refused no parts
        total /= reduce(add, (part.weight for part in self.parts))  # in this order; sum() may not keep it
        return total

    def take(self, rows: Indices | slice) -> MixedFeatures:
        """Select points; they are copied unless `rows` is a contiguous slice."""
        return MixedFeatures(self.parts, tuple(features.take(rows) for features in self.features))


def read_mixed(
    addresses: tuple[str, ...], numbers: tuple[str, ...], parts: tuple[Part, ...]
) -> tuple[Bigints, MixedFeatures]:
    """Read whole files of points with several features, one pass per feature, to save memory.

    Args:
        addresses: Parquet files, rows in any order.
        numbers: BIGINT columns.
        parts: The features.

    Returns:
        The BIGINT columns, shape (points,), and the features, both in the order of files and rows.

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
        bigints, features = read_points(addresses, numbers, kind, _columns(part))
        found.append(features)
    return bigints, MixedFeatures(parts, tuple(found))


def _columns(part: Part) -> tuple[str, ...]:
    return (f"{part.name}_latitude", f"{part.name}_longitude") if part.kind == "geo" else (part.name,)


def _distances(part: Part, features: Features) -> Floats:
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
        matrix /= HALF_WAY_ROUND_M
    return matrix


def _numbered(texts: Codes) -> Ints:
    """Return a number for each row; equal texts have equal numbers."""
    known: dict[bytes, int] = {}
    rows = zip(texts.offsets[:-1].tolist(), texts.offsets[1:].tolist(), strict=True)
    keys = (texts.values[start:end].tobytes() for start, end in rows)
    return np.array([known.setdefault(key, len(known)) for key in keys], np.int64)
