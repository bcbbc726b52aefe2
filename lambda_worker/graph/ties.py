"""The order of merges at one distance: from the largest cluster outwards.

Mutual reachabilities tie often, because every pair near a point weighs as much as the point's core distance.
Libraries order such merges by the rows of their input, and their clusters differ. Here the clusters that
equal edges connect are merged into the largest of them, one after the other, the largest neighbour first.
Clusters of equal size are ordered by their smallest point, and neighbours of equal size by their pairs. So
the order depends on the forest alone. It is also the order that most row orders of scikit-learn give, since a
random first row is most likely in the largest cluster.
"""

from __future__ import annotations

from array import array
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.graph.dendrogram import find_root
from lambda_worker.kernel import loaded
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import AnyInts, Ints
    from lambda_worker.graph.minimum import Edges
    from lambda_worker.kernel.library import Kernel

_NO_EDGE = -1
_MOST_POINTS = 2**31 - 1


def larger_first(forest: Edges, weights: AnyInts) -> Edges:
    """Order equal edges so that the larger clusters merge first.

    Args:
        forest: Edges ascending by (distance, a, b), no two of them on a cycle.
        weights: Shape (points,): entities of each point.
    """
    distance = forest.distance
    cuts = np.flatnonzero(distance[1:] != distance[:-1]) + 1
    starts = np.concatenate([[0], cuts, [len(forest)]])
    kernel = loaded()
    size = weights.astype(np.int64)
    if len(cuts) + 1 >= len(forest):
        return forest
    if kernel is not None and len(size) <= _MOST_POINTS:
        return forest.take(_order_in_kernel(kernel, forest, size, int(np.diff(starts).max())))
    return forest.take(_order(forest, size, starts))


def _order_in_kernel(kernel: Kernel, forest: Edges, size: Ints, most: int) -> Ints:
    points = len(size)
    order = np.empty(len(forest), np.int64)
    parent, head = np.arange(points, dtype=np.int32), np.full(points, _NO_EDGE, np.int32)
    near, ends = np.empty(2 * most, np.int32), np.empty(2 * most, np.int32)
    a, b = (np.ascontiguousarray(column, np.int32) for column in (forest.a, forest.b))
    distance = np.ascontiguousarray(forest.distance)
    kernel.call.order_merges(
        len(forest), a, b, distance, size, parent, head, near, ends, np.empty(8 * most, np.int64), most, order
    )
    return order


def _order(forest: Edges, size: Ints, starts: Ints) -> Ints:
    """Order the edges without the kernel, in some microseconds of plain Python for each."""
    sizes = array("q", size.tobytes())
    parent = array("q", range(len(sizes)))
    a, b = (array("q", column.astype(np.int64).tobytes()) for column in (forest.a, forest.b))
    order: list[int] = []
    for first, end in pairwise(starts.tolist()):
        check_deadline()
        ends = [(find_root(parent, a[edge]), find_root(parent, b[edge])) for edge in range(first, end)]
        order += (first + row for row in _outwards(ends, sizes)) if len(ends) > 1 else (first,)
        for one, two in ends:
            low, high = sorted((find_root(parent, one), find_root(parent, two)))
            parent[high] = low
            sizes[low] += sizes[high]
    return np.array(order, np.int64)


def _outwards(ends: list[tuple[int, int]], sizes: array[int]) -> Iterator[int]:
    """Yield the edges between clusters as they are merged; `ends` has the smallest points of the clusters."""
    halves: dict[int, list[tuple[int, int, int]]] = {}
    for row, (one, two) in enumerate(ends):
        halves.setdefault(one, []).append((-sizes[two], 2 * row, two))
        halves.setdefault(two, []).append((-sizes[one], 2 * row + 1, one))
    starts = [(-sizes[root], root) for root in halves]
    heapify(starts)
    taken: set[int] = set()
    while starts:
        root = heappop(starts)[1]
        waiting: list[tuple[int, int, int]] = []
        for half in halves[root] if root not in taken else ():
            heappush(waiting, half)
        taken.add(root)
        while waiting:
            _, half_row, other = heappop(waiting)
            if other in taken:
                continue
            yield half_row // 2
            taken.add(other)
            for half in halves[other]:
                heappush(waiting, half)
