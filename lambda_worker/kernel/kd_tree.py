"""A k-d tree over the points of a day in the kernel: core distances, and the minimum spanning tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.kernel.structs import Held, c_struct
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Ints, Ints32
    from lambda_worker.kernel.library import Kernel

NUMBERS = {"euclidean": 0, "manhattan": 1, "chebyshev": 2, "cosine": 3, "haversine": 4}
"""Metrics as `kd_tree.h` numbers them."""

MOST_COORDINATES = 16
"""Dimensions that the kernel has room for."""

_LEAF = 16
_LEAVES, _ROWS = 1 << 10, 1 << 14  # between two checks of the deadline

_Struct = c_struct(
    "Tree",
    """points, dimensions, metric, depth, enough, *values, *angles, *weights, *ids, *boxes, *core, *set,
    *nearest, *bound, *reach, *from, *to, *node_set, *node_core, tested""",
)


class KdTree(Held):
    """Points in the leaves of a tree.

    Attributes:
        ids: Shape (points,): the point of each row.
    """

    def __init__(self, kernel: Kernel, metric: str, values: Floats, angles: Floats, weights: Ints) -> None:
        """Build the tree.

        Args:
            kernel: The functions.
            metric: One of `NUMBERS`.
            values: Shape (dimensions, points): coordinates, of places on the unit sphere. Overwritten.
            angles: Shape (3, points): latitudes, longitudes in radians and cosines of latitudes of places;
                shape (0, points) for all other metrics.
            weights: Shape (points,): entities of each point.
        """
        self._kernel = kernel
        self._dimensions, self._points = values.shape
        self._depth = _depth(self._points)
        nodes = 2 ** (self._depth + 1) - 1
        boxes = np.empty((nodes, 2, self._dimensions))
        self.ids: Ints32 = np.arange(self._points, dtype=np.int32)
        kernel.call.build_tree(self._points, self._dimensions, self._depth, values, self.ids, boxes)
        check_deadline()
        arrays: dict[str, NDArray[Any]] = {
            "values": values,
            "angles": angles.take(self.ids, axis=1),
            "weights": weights.take(self.ids),
            "ids": self.ids,
            "boxes": boxes,
            "node_set": np.empty(nodes, np.int32),
            "node_core": np.empty(nodes),
        }
        super().__init__(
            _Struct,
            arrays,
            points=self._points,
            dimensions=self._dimensions,
            metric=NUMBERS[metric],
            depth=self._depth,
        )

    def core_distances(self, min_samples: int) -> Floats:
        """Return the distance of each row within which it has `min_samples` entities, its own included.

        Distances of places stay reduced. A row without enough entities has an infinite one.
        """
        core = np.empty(self._points)
        self.hold("core", core)
        self._struct.enough = min_samples
        room = min(min_samples, self._points) + 1
        buffers = np.empty((_LEAF, room)), np.empty((_LEAF, room), np.int64)
        leaves = 2**self._depth
        for first in range(0, leaves, _LEAVES):
            check_deadline()
            end = min(first + _LEAVES, leaves)
            self._kernel.call.find_core_distances(self.address, first, end, *buffers, room)
        return core

    def spanning_tree(self, core: Floats) -> tuple[Ints32, Ints32, Floats]:
        """Return the edges of the minimum spanning tree: rows, and mutual reachabilities; shapes (edges,).

        There are fewer edges than points - 1 only if distances overflow.

        Args:
            core: Shape (points,): finite core distances of the rows.
        """
        points = self._points
        for name in ("set", "nearest", "from", "to"):
            self.hold(name, np.full(points, -1, np.int32))
        self.hold("set", np.arange(points, dtype=np.int32))
        self.hold("core", core)
        self.hold("bound", core.copy())
        self.hold("reach", np.empty(points))
        first, second, reach = np.empty(points, np.int32), np.empty(points, np.int32), np.empty(points)
        edges = 0
        while edges < points - 1:
            self._kernel.call.begin_round(self.address)
            for row in range(0, points, _ROWS):
                check_deadline()
                self._kernel.call.search_round(self.address, row, min(row + _ROWS, points))
            joined = self._kernel.call.end_round(self.address, first[edges:], second[edges:], reach[edges:])
            if not joined:
                break
            edges += joined
        return first[:edges], second[:edges], reach[:edges]


def _depth(points: int) -> int:
    """The least depth at which no leaf has more than `_LEAF` points."""
    depth = 0
    while -(-points // 2**depth) > _LEAF:
        depth += 1
    return depth
