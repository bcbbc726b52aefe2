"""The near pairs of a day in memory, by the interval between two distances that each falls into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.graph.pairs import CandidatePairs
from lambda_worker.graph.union_find import index_type
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Floats, Ints, SignedInts

Chunk = tuple["Ints", "Ints"]


class PairLevels:
    """Pairs by level: level k holds the distances above the edge k - 1, up to the edge k.

    Attributes:
        count: Pairs that were read, those beyond the last edge included.
    """

    def __init__(self, addresses: tuple[str, ...], point_count: int, edges: Floats) -> None:
        """Read the pairs; two ids of 4 or 8 bytes stay in memory for each.

        Args:
            addresses: Candidates files.
            point_count: Points of the day.
            edges: Ascending, shape (levels,).

        Raises:
            InputError: A file is not of the contract.
        """
        self._levels: list[list[SignedInts]] = [[] for _ in edges]
        self.count = 0
        ids = index_type(point_count)
        for a, b, distance in CandidatePairs(addresses, point_count).weighted_batches():
            check_deadline()
            level = np.searchsorted(edges, distance).astype(np.int16)
            order = np.argsort(level, kind="stable")
            ends = np.stack([a.take(order), b.take(order)]).astype(ids)
            cuts = np.searchsorted(level.take(order), np.arange(len(edges) + 1))
            for number, (start, end) in enumerate(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)):
                if end > start:
                    self._levels[number].append(ends[:, start:end])
            self.count += len(a)

    def within(self, level: int) -> Iterator[Chunk]:
        """Yield the pairs of one level: ids a and b, shapes (pairs,)."""
        for chunk in self._levels[level]:
            check_deadline()
            low, high = chunk.astype(np.int64)
            yield low, high

    def up_to(self, level: int) -> Iterator[Chunk]:
        """Yield the pairs of a level and of all lower ones."""
        for number in range(level + 1):
            yield from self.within(number)
