"""Connected components of streamed pairs: a vectorised union-find whose root is the smallest id.

Min-label hooking with pointer jumping (Shiloach and Vishkin, J. Algorithms 1982), batch by batch
against one parent array, so memory is one integer per point for any number of pairs.
A parent is always smaller than its child. Hence there are no cycles, the root of a tree is its
smallest id, and the final roots depend only on the components, not on the order of the pairs,
the batches or the files.
Every hooking round merges each root that has a smaller neighbour; a root without one has been
merged into, or has a smaller neighbour in the next round. So two rounds at least halve the roots of
a batch that still have pairs, and a batch takes O(log batch) rounds.
The kernel does the same pair by pair with path halving, which is faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import AnyInts, Bools, Ints, Ints32, SignedInts

BLOCK_IDS = 1 << 18
"""Ids per block when all sets are listed."""


class DisjointSets:
    """Sets over the ids 0..size-1, each identified by its smallest id."""

    def __init__(self, size: int) -> None:
        self._parent = np.arange(size, dtype=index_type(size))
        # The kernel uses 32-bit ids: enough for twice the points that fit into one invocation's memory.
        self._kernel = loaded() if self._parent.dtype == np.int32 else None

    def unite(self, a: AnyInts, b: AnyInts) -> None:
        """Join the sets of a[i] and b[i] for every i; shapes (pairs,)."""
        if self._kernel is not None:
            self._kernel.call.unite_pairs(self._parent, _long(a), _long(b), len(a))
        else:
            self._unite(a, b)

    def unite_cores(self, a: Ints, b: Ints, core: Bools) -> tuple[Ints, Ints]:
        """Join the sets of a[i] and b[i] for every i where both are core.

        Returns:
            For each pair with one core: the non-core point and the core; shapes (attachments,), in any order.
        """
        if self._kernel is not None:
            return self._kernel.unite_cores(self._parent, core, a, b)
        core_a, core_b = core.take(a), core.take(b)
        both = np.flatnonzero(core_a & core_b)
        self._unite(a.take(both), b.take(both))
        first, second = np.flatnonzero(core_a > core_b), np.flatnonzero(core_b > core_a)
        outer = np.concatenate([b.take(first), a.take(second)])
        return outer, np.concatenate([a.take(first), b.take(second)])

    def join_in_order(self, a: Ints32, b: Ints32, order: Ints) -> Bools | None:
        """Join the sets of a[k] and b[k] for every k of the order, one after the other.

        Returns:
            Which pairs joined two sets, by position in the order; None, and no change, without a kernel.
        """
        return None if self._kernel is None else self._kernel.join_in_order(self._parent, a, b, order)

    def _unite(self, a: AnyInts, b: AnyInts) -> None:
        parent = self._parent
        while len(a):
            root_a, root_b = self._find(a), self._find(b)
            apart = np.flatnonzero(root_a != root_b)
            root_a, root_b = root_a.take(apart), root_b.take(apart)
            low, high = np.minimum(root_a, root_b), np.maximum(root_a, root_b)
            # Each root goes to its smallest neighbour. Most roots have only one, and plain assignment is
            # several times faster than `minimum.at`; a root that reads back another value has several.
            parent[high] = low
            above = parent.take(high)
            lost = np.flatnonzero(above != low)
            if len(lost):
                np.minimum.at(parent, high.take(lost), low.take(lost))
                above = parent.take(high)
                lost = np.flatnonzero(above != low)
            a, b = low.take(lost), above.take(lost)
            self._flatten(high, above)

    def find(self, ids: AnyInts) -> SignedInts:
        """The smallest id in the set of each of some ids, all sets as united so far; shape of `ids`."""
        if self._kernel is not None:
            return self._kernel.find_roots(self._parent, _long(ids))
        return self._find(ids)

    def _find(self, ids: AnyInts) -> SignedInts:
        parent = self._parent
        root: SignedInts = parent.take(ids)
        above = parent.take(root)
        moving = np.flatnonzero(above != root)
        if not len(moving):
            return root
        deep, below = moving, above.take(moving)
        while True:
            root[moving] = below
            above = parent.take(below)
            rest = np.flatnonzero(above != below)
            if not len(rest):
                break
            moving, below = moving.take(rest), below.take(rest)
            above = parent.take(above.take(rest))
            parent[below] = above  # halves the path for later lookups
            below = above
        parent[ids.take(deep)] = root.take(deep)
        return root

    def roots(self) -> SignedInts:
        """The smallest id in the set of every id; shape (size,)."""
        for _ in self.inner_blocks():
            pass
        return self._parent

    def inner_blocks(self) -> Iterator[tuple[SignedInts, SignedInts]]:
        """Ids that are not the smallest of their set, ascending, each with that smallest id.

        Parents are smaller than children, so a block needs only the blocks before it, which are flat.

        Yields:
            Two arrays of shape (ids,) for each block of `BLOCK_IDS` ids that has any.
        """
        parent = self._parent
        for start in range(0, len(parent), BLOCK_IDS):
            own = parent[start : start + BLOCK_IDS]
            ids = np.arange(start, start + len(own), dtype=parent.dtype)
            ids = ids.compress(own != ids)
            if len(ids):
                self._flatten(ids, parent.take(ids))
                yield ids, parent.take(ids)

    def _flatten(self, ids: AnyInts, above: SignedInts) -> None:
        """Attach ids with parents `above` to their roots; all jump at once, so a chain takes log steps."""
        parent = self._parent
        while True:
            beyond = parent.take(above)
            rest = np.flatnonzero(beyond != above)
            if not len(rest):
                return
            ids, above = ids.take(rest), beyond.take(rest)
            parent[ids] = above


def number_sets(roots: SignedInts, numbered: Bools | None = None) -> tuple[SignedInts, int]:
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


def _long(ids: AnyInts) -> Ints:
    return np.ascontiguousarray(ids, np.int64)


def index_type(size: int) -> type[np.signedinteger]:
    """The integer type of an array of ids below `size`: half the memory while 31 bits are enough."""
    return np.int32 if size <= np.iinfo(np.int32).max else np.int64
