"""Minimum spanning forests: all single-linkage merges of a shard, in at most one pair per point.

forest(A with B) = forest(forest(A) with B), because the longest pair of a cycle is in no minimum forest, even
after more pairs are added. So pairs are folded in, as many at a time as there are points, and memory does not
grow with the pairs. Equal distances are ordered by (point_a, point_b). No two pairs are equal in this order,
so the minimum forest and its bytes are unique.

By mutual reachability (Campello, Moulavi, Sander, PAKDD 2013) a pair counts as far apart as the largest of
its distance and the core distances of both. Applying this to a value that already is the maximum does not
change it, so the rows of a forest by mutual reachability may be weighted again.

A fold sorts, then processes the order in portions (filter-Kruskal: Osipov, Sanders, Singler, ALENEX 2009):
pairs that earlier portions have connected are dropped, and Borůvka rounds handle the rest. The kernel
processes the order edge by edge instead, as in Kruskal's algorithm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.arrays import Columns
from lambda_worker.contract.forests import FOLD_ROWS
from lambda_worker.graph.union_find import BLOCK_IDS, DisjointSets, index_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bools, Floats, Indices, Ints, Ints32, Pairs, SignedInts
    from lambda_worker.graph.pairs import CandidatePairs

_PORTION = 4  # size of a portion, as a share of the rows of a fold


@dataclass(frozen=True, slots=True)
class Edges(Columns):
    """Pairs with distances.

    Attributes:
        a: Shape (edges,).
        b: Shape (edges,), larger ids.
        distance: Shape (edges,), float64.
    """

    a: SignedInts
    b: SignedInts
    distance: Floats


def minimum_forest(pairs: CandidatePairs, fold_rows: int = FOLD_ROWS, core: Floats | None = None) -> Edges:
    """The minimum spanning forest of all pairs, ascending by (distance, a, b).

    Args:
        pairs: The pairs of the shard.
        fold_rows: Pairs of a fold; at least half the number of points, so that folding does not dominate.
        core: Shape (points,): core distances, for a forest by mutual reachability. Infinite for a point
            without one, whose pairs are dropped.
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


def _mutual_reachability(pairs: CandidatePairs, core: Floats) -> Iterator[Pairs]:
    """Keep the pairs of two points with a core distance, weighted by mutual reachability."""
    for a, b, distance in pairs.weighted_batches():
        far = np.maximum(core.take(a), core.take(b))
        np.maximum(far, distance, out=far)
        known = np.flatnonzero(far < np.inf)
        yield a.take(known), b.take(known), far.take(known)


class _Buffer:
    """A reusable buffer for the pairs of a fold, which grows up to its limit."""

    def __init__(self, ids: type[np.signedinteger], rows: int) -> None:
        self._limit, self._rows = rows, 0
        room = min(rows, BLOCK_IDS)
        self._columns = Edges(np.empty(room, ids), np.empty(room, ids), np.empty(room))

    def has_room(self, rows: int) -> bool:
        return self._rows + rows <= self._limit

    def add(self, a: Ints, b: Ints, distance: Floats) -> None:
        end = self._rows + len(a)
        if end > len(self._columns):
            self._grow(min(self._limit, max(end, 2 * len(self._columns))))
        part = slice(self._rows, end)
        self._columns.a[part], self._columns.b[part], self._columns.distance[part] = a, b, distance
        self._rows = end

    def drain(self) -> Edges:
        """Return the buffered pairs, as a view that the next `add` overwrites."""
        drained = self._columns.take(slice(0, self._rows))
        self._rows = 0
        return drained

    def _grow(self, rows: int) -> None:
        grown: list[Any] = []
        for column in self._columns.columns():
            longer = np.empty(rows, column.dtype)
            longer[: self._rows] = column[: self._rows]
            grown.append(longer)
        self._columns = Edges(*grown)


def _fold(forest: Edges, added: Edges, point_count: int, portion: int) -> Edges:
    edges = Edges.join(forest, added)
    order = order_edges(edges, point_count)
    sets = DisjointSets(point_count)
    if (joins := sets.join_in_order(edges.a, edges.b, order)) is not None:
        return edges.take(order.compress(joins))
    lightest = np.empty(point_count, np.int32)
    kept = []
    for start in range(0, len(order), portion):
        rows = order[start : start + portion]
        kept.append(rows.compress(join_edges(edges.a.take(rows), edges.b.take(rows), sets, lightest)))
    return edges.take(np.concatenate(kept)) if kept else edges


def order_edges(edges: Edges, point_count: int) -> Indices:
    """Return the rows by (distance, a, b), shape (edges,)."""
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


def join_edges(a: SignedInts, b: SignedInts, sets: DisjointSets, lightest: Ints32) -> Bools:
    """Find the edges, lightest first, that join two different sets, and join these sets.

    Args:
        a: Shape (edges,).
        b: Shape (edges,).
        sets: The sets joined by lighter edges.
        lightest: Shape (points,), a buffer for one edge of each set.
    """
    joins = np.zeros(len(a), np.bool_)
    rows = np.arange(len(a), dtype=np.int32)
    while len(rows):
        a, b = sets.find(a), sets.find(b)
        apart = np.flatnonzero(a != b)
        rows, a, b = rows.take(apart), a.take(apart), b.take(apart)
        # The lightest edge of each set: assign backwards, because the last value written wins.
        ends = np.stack([a, b], axis=1).ravel()
        lightest[ends[::-1]] = np.repeat(rows, 2)[::-1]
        chosen = np.flatnonzero((lightest.take(a) == rows) | (lightest.take(b) == rows))
        joins[rows.take(chosen)] = True
        sets.unite(a.take(chosen), b.take(chosen))
    return joins
