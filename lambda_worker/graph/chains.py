"""The merges of a hierarchy, by chains of nearest neighbours.

The algorithm is the nearest-neighbour chain (Murtagh, The Computer Journal 1983): go from any cluster to its
nearest one, and on, until two clusters are each other's nearest; merge these. With these linkages a merge
brings no cluster closer to a third one than its parts were. So the merges, sorted by height, are those of
always merging the closest two, and a cluster whose nearest neighbour is at t or beyond is finished.

Ties: if two possible merges have exactly the same height, the method does not define which one is made, and
the choice may change the clusters (except for single linkage). Here the choice depends on the points alone:
lower point ids first. scikit-learn may choose differently. Heights equal to t up to rounding are undefined in
the same way, because sums of many distances may be rounded in another order. Both kinds are counted as
contested merges. A merge of A and B at height h is contested if a third cluster C is as near to A or to B. At
height h, C may not be complete yet, but consist of parts that merge below h. With these linkages the whole is
no nearer than its nearest part, and if the whole is as near as h, so is a part: no tie is missed. A part may
be as near although the whole is not, so the count is an upper bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.graph.dendrogram import build_dendrogram
from lambda_worker.graph.minimum import Edges
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from lambda_worker.graph.dendrogram import Merges
    from lambda_worker.graph.hierarchies import Hierarchy

# Rounding may swap heights with a smaller relative difference.
_CLOSE = 1e-9
_FEW = 64  # slots below which compaction does not pay off


def is_close(height: float, limit: float) -> bool:
    """Whether a height equals a limit up to rounding."""
    return abs(height - limit) <= _CLOSE * limit


def merges_below(limit: float, hierarchy: Hierarchy, points: int) -> tuple[list[tuple[int, int]], int]:
    """All merges lower than a limit.

    Args:
        limit: Merges at this height or above are not made.
        hierarchy: Of as many slots as points; it is used up.
        points: How many there are.

    Returns:
        Two points for each merge, whose clusters merge, in no order of heights; and how many merges are
        contested: another one was as good, or they are at the limit.
    """
    chains = _Chains(hierarchy, points)
    while chains.open_count:
        check_deadline()
        chains.follow(limit)
    return chains.merges, chains.contested


def merge_all(hierarchy: Hierarchy, points: int) -> Merges:
    """All merges by height, however high; those at an infinite height are left out.

    Args:
        hierarchy: Of as many slots as points; it is used up.
        points: How many there are.
    """
    chains = _Chains(hierarchy, points)
    while chains.open_count:
        check_deadline()
        chains.follow(np.inf)
    heights = np.array(chains.heights)
    order = np.argsort(heights, kind="stable")
    a, b = np.array(chains.merges, np.int64).reshape(-1, 2).take(order, axis=0).T
    return build_dendrogram(Edges(a, b, heights.take(order)), points)


class _Chains:
    """Chains of nearest neighbours through the open slots: those neither empty nor finished."""

    def __init__(self, hierarchy: Hierarchy, points: int) -> None:
        self.merges: list[tuple[int, int]] = []
        self.heights: list[float] = []  # of the merges
        self.contested = 0
        self.open_count = points
        self._hierarchy = hierarchy
        self._is_open = np.ones(points, np.bool_)
        self._points = np.arange(points)  # whose cluster is in each slot

    def follow(self, limit: float) -> None:
        """Follow one chain from the first open slot to its end; at least one slot is closed."""
        chain = [int(self._is_open.argmax())]
        ties: list[bool] = []  # for each cluster before the tip: whether its nearest was not unique
        while chain:
            tip, before = chain[-1], chain[-2] if len(chain) > 1 else None
            if not self._is_open[tip]:  # only if rounding brought a merged cluster closer
                chain.pop()
                ties = ties[: max(0, len(chain) - 1)]
                continue
            heights = self._hierarchy.heights(tip)
            nearest = int(heights.argmin())
            # On a tie, turn back; otherwise equal heights could lead in a circle.
            if before is not None and heights[before] <= heights[nearest]:
                nearest = before
            lowest = float(heights[nearest])
            is_tied = int(np.count_nonzero(heights <= lowest * (1 + _CLOSE))) > 1
            if lowest >= limit:
                # Count a pair once: if the other cluster is closed, the merge has been counted.
                self.contested += bool(self._is_open[nearest]) and self._is_at(limit, lowest)
                self._close(chain.pop())
                ties = ties[:-1]
            elif nearest == before:
                self.contested += ties[-1] or is_tied or self._is_at(limit, lowest)
                self._merge(tip, nearest)
                self.heights.append(lowest)
                chain = self._shrink(chain[:-2])
                ties = ties[: max(0, len(chain) - 1)]
            else:
                chain.append(nearest)
                ties.append(is_tied)

    def _is_at(self, limit: float, height: float) -> bool:
        """Whether rounding decides if a merge is below the limit."""
        return is_close(height, limit) and not (self._hierarchy.is_exact and height == limit)

    def _merge(self, slot: int, into: int) -> None:
        self._hierarchy.merge(slot, into)
        self.merges.append((int(self._points[slot]), int(self._points[into])))
        self._close(slot)

    def _close(self, slot: int) -> None:
        self._is_open[slot] = False
        self.open_count -= 1

    def _shrink(self, chain: list[int]) -> list[int]:
        """Drop closed slots once they are the majority; they are never the nearest below the limit."""
        if 2 * self.open_count > len(self._is_open) or len(self._is_open) < _FEW:
            return chain
        kept = np.flatnonzero(self._is_open)
        number = np.cumsum(self._is_open) - 1
        chain = [int(number[slot]) for slot in chain if self._is_open[slot]]
        self._hierarchy.keep(kept)
        self._points = self._points.take(kept)
        self._is_open = np.ones(len(kept), np.bool_)
        return chain
