"""Connected components of streamed pairs: a vectorised union-find whose root is the smallest id.

Min-label hooking with pointer jumping (Shiloach and Vishkin, J. Algorithms 1982), batch by batch
against one parent array, so memory is one integer per point whatever the number of pairs.
A parent is always smaller than its child. Hence there are no cycles, the root of a tree is its
smallest id, and the final roots depend on the components alone: not on the order of the pairs,
the batches or the files.
Every hooking round merges each root that has a smaller neighbour; a root without one has been
merged into, or has a smaller neighbour in the next round. So two rounds at least halve the roots of
a batch that still have pairs, and a batch takes O(log batch) rounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DisjointSets:
    """Sets over the ids 0..size-1, each known by its smallest id."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=index_type(size))

    def unite(self, a: NDArray[np.integer], b: NDArray[np.integer]) -> None:
        """Join the sets of a[i] and b[i] for every i; shapes (pairs,)."""
        while len(a):
            root_a, root_b = self._find(a), self._find(b)
            apart = np.flatnonzero(root_a != root_b)
            root_a, root_b = root_a[apart], root_b[apart]
            a, b = np.minimum(root_a, root_b), np.maximum(root_a, root_b)
            np.minimum.at(self._parent, b, a)

    def roots(self) -> NDArray[np.signedinteger]:
        """The smallest id in the set of every id; shape (size,)."""
        while True:
            above = self._parent[self._parent]
            if np.array_equal(above, self._parent):
                return above
            self._parent = above

    def _find(self, ids: NDArray[np.integer]) -> NDArray[np.signedinteger]:
        """Roots of some ids, halving the paths it walks and flattening the ids themselves."""
        parent = self._parent
        root: NDArray[np.signedinteger] = parent[ids]
        moving = np.flatnonzero(parent[root] != root)
        while len(moving):
            below = root[moving]
            above = parent[parent[below]]
            parent[below] = above
            root[moving] = above
            moving = moving[parent[above] != above]
        parent[ids] = root
        return root


def number_sets(
    roots: NDArray[np.signedinteger], numbered: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.signedinteger], int]:
    """Number sets 0, 1, … in the order of their smallest id.

    Args:
        roots: Smallest id of each id's set, shape (size,).
        numbered: Ids whose sets count; the others must be sets of their own. All when None.

    Returns:
        The number of each id's set, shape (size,), meaningless where not `numbered`; and how many sets count.
    """
    is_root = roots == np.arange(len(roots), dtype=roots.dtype)
    if numbered is not None:
        is_root &= numbered
    rank = np.cumsum(is_root, dtype=roots.dtype)
    count = int(rank[-1]) if len(rank) else 0
    rank -= 1
    return rank[roots], count


def index_type(size: int) -> type[np.signedinteger]:
    """The integer type of an array of ids below `size`: half the memory while 31 bits are enough."""
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64
