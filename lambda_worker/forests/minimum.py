"""Minimum spanning forests: all single-linkage merges of a shard, in at most one pair a point.

forest(A with B) = forest(forest(A) with B): the longest pair of a cycle is in no minimum forest, whatever is
added. So pairs are folded in, as many at a time as there are points, and memory does not follow the pairs.
Equal distances are ordered by (point_a, point_b). In this order no two pairs are equal, the minimum forest is
unique, and so are its bytes.

By mutual reachability (Campello, Moulavi, Sander, PAKDD 2013) a pair counts as far apart as the largest of
its distance and the core distances of both. The largest of such a value and these core distances is that
value: rows of a forest by mutual reachability may be weighted again, and stay as they are.

A fold sorts, then goes through the order in portions (filter-Kruskal: Osipov, Sanders, Singler, ALENEX
2009): what earlier portions have connected is dropped, the rest is done by rounds of Borůvka. The kernel goes
through the order edge by edge instead, as Kruskal did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.union_find import BLOCK_IDS, DisjointSets, index_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.graph import CandidatePairs

_PORTION = 4  # a portion of the order is this part of the rows of a fold


@dataclass(frozen=True, slots=True)
class Edges:
    """Pairs with distances.

    Attributes:
        a: Shape (edges,).
        b: Shape (edges,), larger ids.
        distance: Shape (edges,), float64.
    """

    a: NDArray[np.signedinteger]
    b: NDArray[np.signedinteger]
    distance: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: NDArray[np.intp]) -> Edges:
        """Some of them, copied."""
        return Edges(self.a.take(rows), self.b.take(rows), self.distance.take(rows))

    def blocks(self) -> Iterator[tuple[NDArray[Any], ...]]:
        """The columns, some rows at a time."""
        for start in range(0, len(self), BLOCK_IDS):
            part = slice(start, start + BLOCK_IDS)
            yield self.a[part], self.b[part], self.distance[part]


def minimum_forest(
    pairs: CandidatePairs, fold_rows: int = FOLD_ROWS, core: NDArray[np.float64] | None = None
) -> Edges:
    """The minimum spanning forest of all pairs, ascending by (distance, a, b).

    Args:
        pairs: The pairs of the shard.
        fold_rows: Pairs of a fold; half as many as points where that is more, lest folding takes the time.
        core: Shape (points,): core distances, for a forest by mutual reachability. Infinite for a point
            that has none; its pairs are dropped.
    """
    rows = max(fold_rows, pairs.point_count // 2)
    buffer = _Buffer(index_type(pairs.point_count), rows)
    forest = buffer.drain()
    for a, b, distance in pairs.weighted_batches() if core is None else _mutual_reachability(pairs, core):
        for start in range(0, len(a), rows):
            part = slice(start, start + rows)
            if not buffer.has_room(len(a[part])):
                forest = _fold(forest, buffer.drain(), pairs.point_count, rows // _PORTION + 1)
            buffer.add(a[part], b[part], distance[part])
    return _fold(forest, buffer.drain(), pairs.point_count, rows // _PORTION + 1)


def _mutual_reachability(
    pairs: CandidatePairs, core: NDArray[np.float64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
    """Pairs of two points with a core distance, by mutual reachability."""
    for a, b, distance in pairs.weighted_batches():
        far = np.maximum(core.take(a), core.take(b))
        np.maximum(far, distance, out=far)
        known = np.flatnonzero(far < np.inf)
        yield a.take(known), b.take(known), far.take(known)


class _Buffer:
    """Room for the pairs of a fold; it grows to its limit and is used again."""

    def __init__(self, ids: type[np.signedinteger], rows: int) -> None:
        self._limit, self._rows = rows, 0
        room = min(rows, BLOCK_IDS)
        self._columns = Edges(np.empty(room, ids), np.empty(room, ids), np.empty(room))

    def has_room(self, rows: int) -> bool:
        return self._rows + rows <= self._limit

    def add(self, a: NDArray[np.int64], b: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        end = self._rows + len(a)
        if end > len(self._columns):
            self._grow(min(self._limit, max(end, 2 * len(self._columns))))
        part = slice(self._rows, end)
        self._columns.a[part], self._columns.b[part], self._columns.distance[part] = a, b, distance
        self._rows = end

    def drain(self) -> Edges:
        """What has come; a view that the next `add` overwrites."""
        part = slice(0, self._rows)
        self._rows = 0
        return Edges(self._columns.a[part], self._columns.b[part], self._columns.distance[part])

    def _grow(self, rows: int) -> None:
        grown = []
        for column in (self._columns.a, self._columns.b, self._columns.distance):
            longer = np.empty(rows, column.dtype)
            longer[: self._rows] = column[: self._rows]
            grown.append(longer)
        self._columns = Edges(*grown)


def _fold(forest: Edges, added: Edges, point_count: int, portion: int) -> Edges:
    edges = Edges(
        np.concatenate([forest.a, added.a]),
        np.concatenate([forest.b, added.b]),
        np.concatenate([forest.distance, added.distance]),
    )
    order = _order(edges, point_count)
    sets = DisjointSets(point_count)
    if (joins := sets.join_in_order(edges.a, edges.b, order)) is not None:
        return edges.take(order.compress(joins))
    lightest = np.empty(point_count, np.int32)
    kept = []
    for start in range(0, len(order), portion):
        rows = order[start : start + portion]
        kept.append(rows.compress(join_edges(edges.a.take(rows), edges.b.take(rows), sets, lightest)))
    return edges.take(np.concatenate(kept)) if kept else edges


def _order(edges: Edges, point_count: int) -> NDArray[np.intp]:
    """Rows by (distance, a, b)."""
    order = np.argsort(edges.distance)
    distance = edges.distance.take(order)
    same = distance[1:] == distance[:-1]
    if not same.any():
        return order
    tied = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    at = np.flatnonzero(tied)
    rows = order.take(at)
    keys = edges.a.take(rows) * np.int64(point_count) + edges.b.take(rows)
    order[at] = rows.take(np.lexsort((keys, distance.take(at))))
    return order


def join_edges(
    a: NDArray[np.signedinteger],
    b: NDArray[np.signedinteger],
    sets: DisjointSets,
    lightest: NDArray[np.int32],
) -> NDArray[np.bool_]:
    """Which of some edges, lightest first, join two sets; afterwards these are joined.

    Args:
        a: Shape (edges,).
        b: Shape (edges,).
        sets: What lighter edges have joined.
        lightest: Shape (points,), room for one edge of each set.
    """
    joins = np.zeros(len(a), np.bool_)
    rows = np.arange(len(a), dtype=np.int32)
    while len(rows):
        a, b = sets.find(a), sets.find(b)
        apart = np.flatnonzero(a != b)
        rows, a, b = rows.take(apart), a.take(apart), b.take(apart)
        # The lightest edge of each set: backwards, for the last of the values of one place stays.
        ends = np.stack([a, b], axis=1).ravel()
        lightest[ends[::-1]] = np.repeat(rows, 2)[::-1]
        chosen = np.flatnonzero((lightest.take(a) == rows) | (lightest.take(b) == rows))
        joins[rows.take(chosen)] = True
        sets.unite(a.take(chosen), b.take(chosen))
    return joins
