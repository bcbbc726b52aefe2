"""The functions of the shared library, with numpy arrays in and out.

ctypes checks the type and layout of every array before C gets its address. Callers must ensure that ids are
within their arrays: ids come from `CandidatePairs`, which checks them.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.ctypeslib import ndpointer

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_worker.arrays import Bools, Floats, Indices, Ints, Ints32


VERSION = 9
"""Version of the functions and their arguments; `kernel.c` has the same number."""

_COUNT = ctypes.c_int64
_REAL = ctypes.c_double
_IDS = ndpointer(np.int64, flags="C_CONTIGUOUS")
_SETS = ndpointer(np.int32, flags="C_CONTIGUOUS")
_FLAGS = ndpointer(np.bool_, flags="C_CONTIGUOUS")
_VALUES = ndpointer(np.float64, flags="C_CONTIGUOUS")
_TOTALS = ndpointer(np.int64, ndim=2)  # rows of numbers; their distance is another argument
_AXES = ndpointer(np.float64, ndim=2)  # in any layout; its strides are another argument

# The type of the result and those of the arguments.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "kernel_version": (_COUNT,),
    "check_pairs": (_COUNT, _IDS, _IDS, _COUNT, _COUNT),
    "unite_pairs": (None, _SETS, _IDS, _IDS, _COUNT),
    "find_roots": (None, _SETS, _IDS, _COUNT, _IDS),
    "add_degrees": (None, _IDS, _IDS, _IDS, _COUNT),
    "add_weights": (None, _IDS, _IDS, _IDS, _IDS, _COUNT),
    "unite_cores": (_COUNT, _SETS, _FLAGS, _IDS, _IDS, _COUNT, _IDS, _IDS),
    "lower_borders": (None, _SETS, _FLAGS, _IDS, _IDS, _COUNT),
    "join_in_order": (None, _SETS, _SETS, _SETS, _IDS, _COUNT, _FLAGS),
    "sort_keys": (None, _COUNT, _COUNT, _IDS, _SETS, _IDS, _SETS),
    "list_pairs": (_COUNT, ctypes.c_void_p, _IDS, _COUNT, _IDS, _IDS, _VALUES),
    "count_tests": (_COUNT, ctypes.c_void_p),
    "measure_pairs": (None, _COUNT, _COUNT, _AXES, _IDS, _AXES, _IDS, _IDS, _COUNT, _VALUES),
    "measure_rows": (None, _COUNT, _COUNT, _COUNT, _VALUES, _COUNT, _COUNT, _VALUES),
    "find_cores": (None, ctypes.c_void_p, _IDS, _COUNT, _FLAGS),
    "join_cells": (_COUNT, ctypes.c_void_p, _SETS, _IDS, _IDS),
    "mark_texts": (None, ctypes.c_void_p),
    "count_texts": (_COUNT, ctypes.c_void_p, _COUNT, _COUNT),
    "join_texts": (_COUNT, ctypes.c_void_p, _COUNT, _COUNT, _IDS, _IDS, _VALUES),
    "number_tokens": (None, ctypes.c_void_p),
    "move_slots": (None, ctypes.c_void_p, _IDS, _COUNT),
    "rank_tokens": (None, ctypes.c_void_p, _SETS),
    "lay_out_index": (_COUNT, ctypes.c_void_p, _IDS),
    "join_sets": (_COUNT, ctypes.c_void_p, _COUNT, _COUNT, _IDS, _IDS, _VALUES),
    "build_tree": (None, _COUNT, _COUNT, _COUNT, _VALUES, _SETS, _VALUES),
    "find_core_distances": (None, ctypes.c_void_p, _COUNT, _COUNT, _VALUES, _IDS, _COUNT),
    "mark_cores": (None, ctypes.c_void_p, _REAL, _IDS, _COUNT, _COUNT, _FLAGS),
    "join_nodes": (_COUNT, ctypes.c_void_p, _REAL, _FLAGS, _COUNT, _COUNT, _COUNT, _IDS, _IDS),
    "attach_rows": (
        _COUNT,
        ctypes.c_void_p,
        _REAL,
        _FLAGS,
        _IDS,
        _COUNT,
        _COUNT,
        _SETS,
        _COUNT,
        _IDS,
        _IDS,
    ),
    "add_fixed": (None, _COUNT, _VALUES, _IDS, _IDS, _TOTALS, _COUNT),
    "find_nearest": (None, _COUNT, _COUNT, _VALUES, _COUNT, _VALUES, _IDS, _VALUES),
    "begin_round": (None, ctypes.c_void_p),
    "search_round": (None, ctypes.c_void_p, _COUNT, _COUNT),
    "end_round": (_COUNT, ctypes.c_void_p, _SETS, _SETS, _VALUES),
    "order_merges": (
        None,
        _COUNT,
        _SETS,
        _SETS,
        _VALUES,
        _IDS,
        _SETS,
        _SETS,
        _SETS,
        _SETS,
        _IDS,
        _COUNT,
        _IDS,
    ),
    "list_merges": (None, _COUNT, _COUNT, _SETS, _SETS, _SETS, _SETS, _IDS, _SETS, _SETS, _IDS),
    "attach_borders": (_COUNT, ctypes.c_void_p, _SETS, _VALUES, _IDS, _COUNT, _IDS, _COUNT, _IDS, _IDS),
}


class KernelError(Exception):
    """The shared library is of another version than this code."""


class Kernel:
    """The functions of a shared library.

    Attributes:
        call: The library; its functions take arrays as `_FUNCTIONS` says.
    """

    def __init__(self, path: Path) -> None:
        """Load a library.

        Raises:
            KernelError: It was built from other sources than these; `make kernel` builds it anew.
        """
        self.call = ctypes.CDLL(str(path))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(self.call, name, None)
            if function is None:
                raise KernelError(f"{path} has no function {name}; run `make kernel`")
            function.argtypes = arguments
            function.restype = result
        if (found := self.call.kernel_version()) != VERSION:
            raise KernelError(f"{path} is of version {found}, not {VERSION}; run `make kernel`")

    def bad_pair(self, a: Ints, b: Ints, point_count: int) -> int | None:
        """Return the first row that is not a pair 0 <= a < b < point_count, or None."""
        row = int(self.call.check_pairs(a, b, len(a), point_count))
        return None if row < 0 else row

    def unite_cores(self, parent: Ints32, core: Bools, a: Ints, b: Ints) -> tuple[Ints, Ints]:
        """Unite pairs of two cores.

        Returns:
            For pairs with one core: the non-core points and their cores; shapes (attachments,).
        """
        outer, inner = np.empty(len(a), np.int64), np.empty(len(a), np.int64)
        listed = self.call.unite_cores(parent, core, a, b, len(a), outer, inner)
        return outer[:listed], inner[:listed]

    def find_roots(self, parent: Ints32, ids: Ints) -> Ints:
        """Return the smallest id in the set of each id; shape (ids,)."""
        roots = np.empty(len(ids), np.int64)
        self.call.find_roots(parent, ids, len(ids), roots)
        return roots

    def join_in_order(self, parent: Ints32, a: Ints32, b: Ints32, order: Ints) -> Bools:
        """Join edges in this order, and return which of them join two sets, shape (edges,)."""
        joins = np.empty(len(order), np.bool_)
        self.call.join_in_order(parent, a, b, order, len(order), joins)
        return joins

    def measure_pairs(
        self, metric: int, left: Floats, rows: Indices, right: Floats, columns: Indices
    ) -> Floats:
        """Return reduced distances of listed pairs, for `cosine` sums of products; shape (pairs,).

        Args:
            metric: As `kd_tree.h` numbers it.
            left: Shape (dimensions, points).
            rows: Shape (pairs,): points of `left`.
            right: Shape (dimensions, points).
            columns: Shape (pairs,): points of `right`.
        """
        reduced = np.empty(len(rows))
        steps = np.array([*left.strides, *right.strides]) // left.itemsize
        self.call.measure_pairs(metric, len(left), left, rows, right, columns, steps, len(rows), reduced)
        return reduced

    def measure_rows(self, metric: int, values: Floats, first: int, distances: Floats) -> None:
        """Write the distances of points to all points.

        Args:
            metric: As `kd_tree.h` numbers it.
            values: Shape (dimensions, points).
            first: The first of the points.
            distances: Shape (rows, points), where to write those of the points from `first` on.
        """
        self.call.measure_rows(metric, *values.shape, values, first, len(distances), distances)

    def add_fixed(self, totals: Ints, labels: Indices, numbers: Floats, weights: Ints) -> None:
        """Add weighted numbers below 1 in fixed point.

        Args:
            totals: Shape (3, centres): multiples of 2^-24, 2^-48 and 2^-72.
            labels: Shape (points,): the centre of each.
            numbers: Shape (points,).
            weights: Shape (points,).
        """
        self.call.add_fixed(len(numbers), numbers, weights, labels, totals, totals.strides[0] // 8)

    def find_nearest(self, vectors: Floats, centres: Floats, labels: Indices, distances: Floats) -> None:
        """Write the nearest centre of each point and the squared distance to it, shapes (points,).

        Args:
            vectors: Shape (dimensions, points), at most 8 dimensions.
            centres: Shape (dimensions, centres).
            labels: Where to write the centres.
            distances: Where to write the distances.
        """
        values, places = np.ascontiguousarray(vectors), np.ascontiguousarray(centres.T)
        self.call.find_nearest(*values.shape, values, len(places), places, labels, distances)

    def sort_keys(self, keys: Ints) -> tuple[Ints, Ints32]:
        """Sort keys >= 0 stably; return the sorted keys and their original rows, shapes (keys,)."""
        sorted_keys, rows = keys.copy(), np.empty(len(keys), np.int32)
        largest = int(keys.max()) if len(keys) else 0
        self.call.sort_keys(
            len(keys), largest, sorted_keys, rows, np.empty_like(sorted_keys), np.empty_like(rows)
        )
        return sorted_keys, rows
