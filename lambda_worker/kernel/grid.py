"""Points sorted into cells, in the layout of the C functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.kernel.structs import Held, c_struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.arrays import Bools, Floats, Ints, Pairs
    from lambda_worker.kernel.library import Kernel

NUMBERS = {"euclidean": 0, "manhattan": 1, "chebyshev": 2}
"""Metrics as `grid.h` numbers them."""


_Struct = c_struct(
    "Grid",
    """points, dimensions, metric, double limit, *values, *keys, *home, *runs, run_count, reach, *starts,
    *ends, tested""",
)


class Grid(Held):
    """Points in the order of their cells' keys, identified by their row in this order.

    A walk over the cells advances the runs of neighbours, so each walk needs its own grid.
    """

    def __init__(
        self,
        values: Floats,
        keys: Ints,
        metric: str,
        limit: float,
        neighbours: tuple[Ints, int],
        home: Bools | None = None,
    ) -> None:
        """Build the struct without modifying the arrays.

        Args:
            values: Shape (dimensions, points).
            keys: Shape (points,), ascending.
            metric: One of `NUMBERS`.
            limit: The largest reduced distance that is near: a square, a sum or a maximum.
            neighbours: Offsets of the runs of neighbours, see `lambda_worker.pairs.cells`, and their reach.
            home: Shape (points,): pairs of two points that are not at home do not count. All are, when None.
        """
        runs, reach = neighbours
        moving = np.zeros((2, len(runs)), np.int64)
        arrays = {
            "values": np.ascontiguousarray(values),
            "keys": np.ascontiguousarray(keys),
            "home": np.ones(len(keys), np.bool_) if home is None else home,
            "runs": runs,
            "starts": moving[0],
            "ends": moving[1],
        }
        self.points = len(keys)
        super().__init__(
            _Struct,
            arrays,
            points=self.points,
            dimensions=len(values),
            metric=NUMBERS[metric],
            limit=limit,
            run_count=len(runs),
            reach=reach,
        )


class PairWalk:
    """Lists the near pairs of a grid in portions."""

    def __init__(self, kernel: Kernel, new_grid: Callable[[], Grid], capacity: int) -> None:
        """Prepare the search.

        Args:
            kernel: The functions.
            new_grid: Makes a grid whose runs are those of the own cell and above.
            capacity: Pairs at a time; more if one point alone has more.
        """
        self._kernel = kernel
        self._new_grid = new_grid
        self._grid = new_grid()
        self._capacity = capacity
        self._cursor = np.zeros(1, np.int64)
        self._room: tuple[Any, Any, Any] | None = None

    @property
    def tested(self) -> int:
        """Pairs whose distance was computed so far."""
        return self._grid.tested

    @property
    def tests(self) -> int:
        """Total number of pairs to test."""
        return int(self._kernel.call.count_tests(self._new_grid().address))

    def next(self) -> Pairs | None:
        """Return rows and reduced distances of the next near pairs, valid until the next call, or None."""
        while self._cursor[0] < self._grid.points:
            if self._room is None:
                room = min(self._capacity, self._grid.points**2)
                self._room = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
            first, second, reduced = self._room
            listed = self._kernel.call.list_pairs(self._grid.address, self._cursor, len(first), *self._room)
            if listed > 0:
                return first[:listed], second[:listed], reduced[:listed]
            if listed < 0:
                self._capacity, self._room = 2 * self._capacity, None
        return None
