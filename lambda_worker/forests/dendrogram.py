"""Single linkage as a dendrogram, from a minimum spanning forest.

Merging along the forest's pairs, shortest first, is single linkage (Gower and Ross, Applied Statistics 1969).
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.forests.minimum import Edges

    Ids = NDArray[np.signedinteger]
    Merges = tuple[Ids, Ids, NDArray[np.float64], Ids]

_SMALL = 2**31


def build_dendrogram(forest: Edges, points: int) -> Merges:
    """The merges, in the numbering of `scipy.cluster.hierarchy.linkage`.

    Point i is cluster i, the merge in row r makes cluster points + r. Points that no pair joins leave the
    table with fewer than points - 1 rows: the rest of the merges lies beyond the distances that are known.
    One step of plain Python for each merge, a microsecond or two; there are fewer than points.

    Args:
        forest: Edges ascending by (distance, a, b).
        points: Points of the day.

    Returns:
        left and right (left < right), distance and size, each of shape (merges,).
    """
    merges = len(forest)
    # Typed arrays of the standard library: reading one element is several times faster than numpy's, and it
    # is no object that stays.
    code, ids = ("i", np.int32) if points + merges < _SMALL else ("q", np.int64)
    made, other, sizes = (array(code, bytes(merges * ids().itemsize)) for _ in range(3))
    parent = array(code, np.arange(points, dtype=ids).tobytes())
    cluster = array(code, parent)
    size = array(code, np.ones(points, ids).tobytes())
    ends = (array(code, column.astype(ids).tobytes()) for column in (forest.a, forest.b))
    for row, (a, b) in enumerate(zip(*ends, strict=True)):
        one, two = _root(parent, a), _root(parent, b)
        if size[one] < size[two]:
            one, two = two, one
        parent[two] = one
        size[one] += size[two]
        made[row], other[row], sizes[row] = cluster[one], cluster[two], size[one]
        cluster[one] = points + row
    left, right = np.frombuffer(made, ids), np.frombuffer(other, ids)
    return np.minimum(left, right), np.maximum(left, right), forest.distance, np.frombuffer(sizes, ids)


def _root(parent: array[int], point: int) -> int:
    while (above := parent[point]) != point:
        parent[point] = point = parent[above]  # halves the path
    return point
