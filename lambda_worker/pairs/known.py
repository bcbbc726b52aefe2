"""Near pairs that are known before a search, because a former day found them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from lambda_worker.arrays import Columns
from lambda_worker.contract import InputError
from lambda_worker.tables.reading import read_features

if TYPE_CHECKING:
    from lambda_worker.arrays import Floats, Ints
    from lambda_worker.pairs.product import PairTaker

_IDS, _DISTANCE = ("point_a", "point_b"), ("distance",)


@dataclass(frozen=True, slots=True)
class KnownPairs(Columns):
    """Pairs (low, high); shapes (pairs,)."""

    axis: ClassVar[int] = -1

    low: Ints
    high: Ints
    distance: Floats

    @classmethod
    def read(cls, addresses: tuple[str, ...], home: Ints) -> Self:
        """Read files of near pairs.

        Args:
            addresses: Parquet files with `point_a BIGINT, point_b BIGINT, distance DOUBLE`.
            home: Ids of the kept points of the home block.

        Raises:
            InputError: A file is not of the contract, or the lower id of a pair is not at home.
        """
        parts = [cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
        for address in addresses:
            for (low, high), values in read_features(address, _IDS, _DISTANCE):
                is_home = np.isin(low, home)
                if not is_home.all():
                    raise InputError(f"{address}: point {low[np.argmin(is_home)]} is not kept at home")
                parts.append(cls(low, high, values[0]))
        return cls.join(*parts)

    def add_to(self, takes: PairTaker, others: Ints) -> None:
        """Pass on the pairs whose higher id is one of some points."""
        chosen = self.take(np.flatnonzero(np.isin(self.high, others)))
        takes.add(chosen.low, chosen.high, chosen.distance)
