"""The points of a day in the order of their ids, as an index needs them: features, weights and tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import list_flatten

from lambda_worker.metrics.gower import MixedFeatures, read_mixed
from lambda_worker.serving.queries import content_of
from lambda_worker.tables.features import Features, read_points
from lambda_worker.tables.members import order_points
from lambda_worker.tables.reading import read_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambda_worker.arrays import Ints
    from lambda_worker.contract.serving import Space

_NUMBERS = ("point_id", "weight")
_SET_ROWS = 1 << 12


@dataclass(frozen=True, slots=True)
class IndexPoints:
    """All points of a day.

    Attributes:
        features: Of the points by id.
        weights: Shape (points,): entities of each.
        tokens: The distinct tokens of the sets in the order of their codes, by position among mixed features;
            a kind without parts has position 0.
    """

    features: Features | MixedFeatures
    weights: Ints
    tokens: Mapping[int, tuple[str, ...]]

    def query(self, point: int) -> Any:
        """Return the features of a point, as `Queries` prepares those of an item."""
        if isinstance(self.features, MixedFeatures):
            parts = enumerate(self.features.features)
            return tuple(_value(one, point, self.tokens.get(position, ())) for position, one in parts)
        return _value(self.features, point, self.tokens.get(0, ()))

    def contents(self) -> Iterator[bytes]:
        """Yield the content of every point by id."""
        return (content_of(self.query(point)) for point in range(len(self.weights)))


def read_index_points(addresses: tuple[str, ...], point_count: int, space: Space) -> IndexPoints:
    """Read whole files.

    Raises:
        InputError: A file is not of the contract, or there are more or fewer points.
    """
    features: Features | MixedFeatures
    if space.kind == "mixed":
        (ids, weights), features = read_mixed(addresses, _NUMBERS, space.parts)
        sets = {position: part.name for position, part in enumerate(space.parts) if part.kind == "set"}
    else:
        (ids, weights), features = read_points(addresses, _NUMBERS, space.kind, space.columns)
        sets = {0: space.columns[0]} if space.kind == "set" else {}
    order = order_points(ids, weights, point_count)
    tokens = {position: _read_tokens(addresses, column) for position, column in sets.items()}
    return IndexPoints(features.take(order), weights.take(order), tokens)


def _read_tokens(addresses: tuple[str, ...], column: str) -> tuple[str, ...]:
    found: set[str] = set()
    for address in addresses:
        for _, array in read_column(address, (), column, "ARRAY(VARCHAR)", _SET_ROWS):
            found.update(list_flatten(array).to_pylist())
    return tuple(sorted(found))


def _value(features: Features, point: int, tokens: tuple[str, ...]) -> Any:
    if features.rows is not None:
        return features.rows[point]
    codes = features.codes
    row = codes.values[codes.offsets[point] : codes.offsets[point + 1]]
    if features.kind == "set":
        return tuple(tokens[code] for code in row.tolist())
    return row.astype("<i4").tobytes().decode("utf-32-le")


def widths_of(space: Space, points: IndexPoints) -> dict[str, float]:
    """Return the range of each number of mixed features over the day, as in sql/shared/ranges.jinja."""
    if not isinstance(points.features, MixedFeatures) or not len(points.weights):
        return {}
    named = zip(space.parts, points.features.features, strict=True)
    return {
        part.name: float(np.max(one.vectors) - np.min(one.vectors))
        for part, one in named
        if part.kind == "number"
    }
