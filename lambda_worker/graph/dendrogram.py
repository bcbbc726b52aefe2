"""Single linkage as a dendrogram, from a minimum spanning forest.

Merging along the forest's pairs, shortest first, is single linkage (Gower and Ross, Applied Statistics 1969).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Floats, Ints, SignedInts
    from lambda_worker.graph.minimum import Edges
    from lambda_worker.kernel.library import Kernel

    Merges = tuple[SignedInts, SignedInts, Floats, Ints]

_SMALL = 2**31


def build_dendrogram(forest: Edges, points: int, weights: AnyInts | None = None) -> Merges:
    """Return the merges, numbered as in `scipy.cluster.hierarchy.linkage`.

    Point i is cluster i, and the merge in row r makes cluster points + r. If the pairs do not connect all
    points, the table has fewer than points - 1 rows: the other merges are beyond the known distances. Without
    the kernel each merge takes one step of plain Python, a microsecond or two.

    Args:
        forest: Edges ascending by distance, merged in this order.
        points: Points of the day.
        weights: Shape (points,): the size of each point; 1 if None.

    Returns:
        left and right (left < right), distance and size, each of shape (merges,).
    """
    size = np.ones(points, np.int64) if weights is None else weights.astype(np.int64)
    kernel = loaded()
    if kernel is not None and points + len(forest) < _SMALL:
        return _merge_in_kernel(kernel, forest, size)
    return _merge(forest, size)


def _merge_in_kernel(kernel: Kernel, forest: Edges, size: Ints) -> Merges:
    merges, points = len(forest), len(size)
    left, right, made = np.empty(merges, np.int32), np.empty(merges, np.int32), np.empty(merges, np.int64)
    parent = np.arange(points, dtype=np.int32)
    a, b = (np.ascontiguousarray(ends, np.int32) for ends in (forest.a, forest.b))
    kernel.call.list_merges(points, merges, a, b, parent, parent.copy(), size, left, right, made)
    return left, right, forest.distance, made


def _merge(forest: Edges, weights: Ints) -> Merges:
    merges, points = len(forest), len(weights)
    # Typed arrays of the standard library: reading one element is several times faster than in numpy, and
    # elements are not kept as objects.
    code, ids = ("i", np.int32) if points + merges < _SMALL else ("q", np.int64)
    made, other = (array(code, bytes(merges * ids().itemsize)) for _ in range(2))
    sizes = array("q", bytes(merges * 8))
    parent = array(code, np.arange(points, dtype=ids).tobytes())
    cluster = array(code, parent)
    size = array("q", weights.tobytes())
    ends = (array(code, column.astype(ids).tobytes()) for column in (forest.a, forest.b))
    for row, (a, b) in enumerate(zip(*ends, strict=True)):
        one, two = find_root(parent, a), find_root(parent, b)
        if size[one] < size[two]:
            one, two = two, one
        parent[two] = one
        size[one] += size[two]
        made[row], other[row], sizes[row] = cluster[one], cluster[two], size[one]
        cluster[one] = points + row
    left, right = np.frombuffer(made, ids), np.frombuffer(other, ids)
    return np.minimum(left, right), np.maximum(left, right), forest.distance, np.frombuffer(sizes, np.int64)


def find_root(parent: array[int], point: int) -> int:
    """Return the root of a point's tree, and halve the path to it."""
    while (above := parent[point]) != point:
        parent[point] = point = parent[above]
    return point
