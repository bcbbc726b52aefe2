"""Spanning forests: the connectivity of a shard in at most one pair per point.

Components of a union of graphs follow from spanning forests of each (Karloff, Suri, Vassilvitskii, SODA
2010). Here the forest of a component is a star: its smallest id paired with each other id. A star depends
only on the component, not on its pairs, so that equal shards give equal bytes.

DBSCAN also needs the clusters that each border point touches. Pairs of a core and another point are kept as
(that point, smallest core of the core's component), one for each component of the shard. Any core of the
component would do, because the component ends up in one cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.graph.union_find import BLOCK_IDS, DisjointSets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import AnyInts, Bools, Ints
    from lambda_worker.graph.pairs import CandidatePairs


class SpanningForest:
    """The forest of some pairs.

    Attributes:
        attachments: Rows of `blocks` that attach a non-core point to a core; set once all are listed.
    """

    def __init__(self, pairs: CandidatePairs, core: Bools | None = None, fold_rows: int = FOLD_ROWS) -> None:
        """Read all pairs.

        Args:
            pairs: The pairs of the shard.
            core: Shape (points,): which points are core; None when every pair connects.
            fold_rows: Attachments to buffer before sorting and removing duplicates.
        """
        self._sets = DisjointSets(pairs.point_count)
        self._attached = _Attachments(self._sets, pairs.point_count, fold_rows)
        self.attachments = 0
        for a, b in pairs.batches():
            if core is None:
                self._sets.unite(a, b)
            else:
                self._attached.add(*self._sets.unite_cores(a, b, core))

    def blocks(self) -> Iterator[tuple[AnyInts, AnyInts]]:
        """The pairs (a, b) of the forest, a < b: the stars by b, then the attachments; shapes (pairs,)."""
        for ids, roots in self._sets.inner_blocks():
            yield roots, ids
        outer, core = self._attached.distinct()
        self.attachments = len(outer)
        for start in range(0, len(outer), BLOCK_IDS):
            part = slice(start, start + BLOCK_IDS)
            yield np.minimum(outer[part], core[part]), np.maximum(outer[part], core[part])


class _Attachments:
    """Pairs of a non-core point and a core, distinct by the core's component.

    Each pair is one 64-bit key with the non-core point first.
    """

    def __init__(self, sets: DisjointSets, point_count: int, fold_rows: int) -> None:
        self._sets = sets
        self._points = point_count
        self._fold_rows = fold_rows
        self._kept = np.empty(0, np.int64)
        self._waiting: list[Ints] = []
        self._rows = 0

    def add(self, outer: Ints, core: Ints) -> None:
        if len(outer):
            self._waiting.append(outer * self._points + core)
            self._rows += len(outer)
            # The buffer grows with the kept rows, so that repeated sorting does not dominate.
            if self._rows >= max(self._fold_rows, len(self._kept)):
                self._sort()

    def distinct(self) -> tuple[Ints, Ints]:
        """Return the non-core points and smallest cores, sorted by both."""
        self._sort()
        return np.divmod(self._kept, self._points) if len(self._kept) else (self._kept, self._kept)

    def _sort(self) -> None:
        # A current root may later get a parent in the same component, and is then looked up again.
        keys = np.concatenate([self._kept, *self._waiting])
        self._waiting, self._rows = [], 0
        if len(keys):
            core = keys % self._points
            keys -= core
            keys += self._sets.find(core)
            keys.sort()
            self._kept = keys.compress(np.concatenate([[True], keys[1:] != keys[:-1]]))
