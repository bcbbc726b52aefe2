"""Points sorted into cells, as the C functions take them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lambda_worker.kernel.library import Kernel

METRICS = {"euclidean": 0, "manhattan": 1, "chebyshev": 2}
"""As `grid.h` numbers them."""


class _Struct(ctypes.Structure):
    """`Grid` in grid.h."""

    _fields_: ClassVar = [
        ("points", ctypes.c_int64),
        ("dimensions", ctypes.c_int64),
        ("metric", ctypes.c_int64),
        ("limit", ctypes.c_double),
        ("values", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("home", ctypes.c_void_p),
        ("runs", ctypes.c_void_p),
        ("run_count", ctypes.c_int64),
        ("reach", ctypes.c_int64),
        ("starts", ctypes.c_void_p),
        ("ends", ctypes.c_void_p),
        ("tested", ctypes.c_int64),
    ]


class Grid:
    """Points in the order of their cells' keys; they are known by their row in this order.

    A walk over the cells moves the runs of neighbours along, so that each walk needs a grid of its own.
    """

    def __init__(
        self,
        values: NDArray[np.float64],
        keys: NDArray[np.int64],
        metric: str,
        limit: float,
        neighbours: tuple[NDArray[np.int64], int],
        home: NDArray[np.bool_] | None = None,
    ) -> None:
        """The arrays stay as they are.

        Args:
            values: Shape (dimensions, points).
            keys: Shape (points,), ascending.
            metric: One of `METRICS`.
            limit: The largest reduced distance that is near: a square, a sum or a maximum.
            neighbours: Offsets of the runs of neighbours, see `lambda_worker.measure.cells`, and their reach.
            home: Shape (points,): pairs of two points that are not at home do not count. All are, when None.
        """
        runs, reach = neighbours
        home = np.ones(len(keys), np.bool_) if home is None else home
        moving = np.zeros((2, len(runs)), np.int64)
        # The struct holds addresses only.
        values, keys = np.ascontiguousarray(values), np.ascontiguousarray(keys)
        self._arrays = (values, keys, home, runs, moving)
        self._struct = _Struct(
            points=len(keys),
            dimensions=len(values),
            metric=METRICS[metric],
            limit=limit,
            values=values.ctypes.data,
            keys=keys.ctypes.data,
            home=home.ctypes.data,
            runs=runs.ctypes.data,
            run_count=len(runs),
            reach=reach,
            starts=moving[0].ctypes.data,
            ends=moving[1].ctypes.data,
        )
        self.points = len(keys)

    @property
    def tested(self) -> int:
        """Distances computed so far."""
        return int(self._struct.tested)

    @property
    def address(self) -> object:
        """What the C functions take."""
        return ctypes.byref(self._struct)


class PairWalk:
    """Near pairs of a grid, some at a time."""

    def __init__(self, kernel: Kernel, new_grid: Callable[[], Grid], capacity: int) -> None:
        """Nothing is measured yet.

        Args:
            kernel: The functions.
            new_grid: Makes a grid whose runs are those of the own cell and above.
            capacity: Pairs at a time; more where one point alone has more.
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
        """Pairs it will test in all."""
        return int(self._kernel.call.count_tests(self._new_grid().address))

    def next(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None:
        """Rows of the next near pairs, and reduced distances, until the next call; None at the end."""
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
