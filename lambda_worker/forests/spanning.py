"""Spanning forests: who is connected in a shard, in at most one pair a point.

Components of a union of graphs follow from spanning forests of each (Karloff, Suri, Vassilvitskii, SODA
2010). Here the forest of a component is a star: its smallest id with each of the others. A star depends on
the component alone, not on the pairs that made it, so that equal shards give equal bytes.

DBSCAN needs, besides, which clusters each border point touches. Pairs of a core and another point are kept
as (that point, smallest core of the core's component): one for each component of the shard, and any core
of it will do, for the component ends in one cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.union_find import BLOCK_IDS, DisjointSets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.graph import CandidatePairs

    Ids = NDArray[np.integer]


class SpanningForest:
    """The forest of some pairs.

    Attributes:
        attachments: Rows of `blocks` that tie a point that is not core to a core; set once all are listed.
    """

    def __init__(
        self, pairs: CandidatePairs, core: NDArray[np.bool_] | None = None, fold_rows: int = FOLD_ROWS
    ) -> None:
        """Read all pairs.

        Args:
            pairs: The pairs of the shard.
            core: Shape (points,): which points are core; None when every pair connects.
            fold_rows: Attachments that wait before they are sorted and told apart.
        """
        self._sets = DisjointSets(pairs.point_count)
        self._attached = _Attachments(self._sets, pairs.point_count, fold_rows)
        self.attachments = 0
        for a, b in pairs.batches():
            if core is None:
                self._sets.unite(a, b)
            else:
                self._attached.add(*self._sets.unite_cores(a, b, core))

    def blocks(self) -> Iterator[tuple[Ids, Ids]]:
        """The pairs (a, b) of the forest, a < b: the stars by b, then the attachments; shapes (pairs,)."""
        for ids, roots in self._sets.inner_blocks():
            yield roots, ids
        outer, core = self._attached.distinct()
        self.attachments = len(outer)
        for start in range(0, len(outer), BLOCK_IDS):
            part = slice(start, start + BLOCK_IDS)
            yield np.minimum(outer[part], core[part]), np.maximum(outer[part], core[part])


class _Attachments:
    """Pairs of an outer point and a core, told apart by the core's component.

    One pair is one 64-bit key, outer point first.
    """

    def __init__(self, sets: DisjointSets, point_count: int, fold_rows: int) -> None:
        self._sets = sets
        self._points = point_count
        self._fold_rows = fold_rows
        self._kept = np.empty(0, np.int64)
        self._waiting: list[NDArray[np.int64]] = []
        self._rows = 0

    def add(self, outer: NDArray[np.int64], core: NDArray[np.int64]) -> None:
        if len(outer):
            self._waiting.append(outer * self._points + core)
            self._rows += len(outer)
            # In proportion to what is kept, lest sorting it over and over takes the time.
            if self._rows >= max(self._fold_rows, len(self._kept)):
                self._sort()

    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Outer points and smallest cores, in the order of both."""
        self._sort()
        return np.divmod(self._kept, self._points) if len(self._kept) else (self._kept, self._kept)

    def _sort(self) -> None:
        # A root of now may hang below another one later, in the same component: it is looked up again then.
        keys = np.concatenate([self._kept, *self._waiting])
        self._waiting, self._rows = [], 0
        if len(keys):
            core = keys % self._points
            keys -= core
            keys += self._sets.find(core)
            keys.sort()
            self._kept = keys.compress(np.concatenate([[True], keys[1:] != keys[:-1]]))
