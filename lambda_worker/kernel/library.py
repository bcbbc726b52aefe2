"""The functions of the shared library, with numpy arrays in and out.

Every array is checked for its type and layout by ctypes before C sees its address. That ids lie inside their
arrays is the callers' part: they come from `CandidatePairs`, which has checked them.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from numpy.ctypeslib import ndpointer

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ids = NDArray[np.int64]

VERSION = 4
"""Of the functions and their arguments; `kernel.c` holds the same number."""

_COUNT = ctypes.c_int64
_IDS = ndpointer(np.int64, flags="C_CONTIGUOUS")
_SETS = ndpointer(np.int32, flags="C_CONTIGUOUS")
_FLAGS = ndpointer(np.bool_, flags="C_CONTIGUOUS")
_VALUES = ndpointer(np.float64, flags="C_CONTIGUOUS")

_ARGUMENTS = {
    "kernel_version": (),
    "check_pairs": (_IDS, _IDS, _COUNT, _COUNT),
    "unite_pairs": (_SETS, _IDS, _IDS, _COUNT),
    "find_roots": (_SETS, _IDS, _COUNT, _IDS),
    "add_degrees": (_IDS, _IDS, _IDS, _COUNT),
    "add_weights": (_IDS, _IDS, _IDS, _IDS, _COUNT),
    "unite_cores": (_SETS, _FLAGS, _IDS, _IDS, _COUNT, _IDS, _IDS),
    "lower_borders": (_SETS, _FLAGS, _IDS, _IDS, _COUNT),
    "join_in_order": (_SETS, _SETS, _SETS, _IDS, _COUNT, _FLAGS),
    "sort_keys": (_COUNT, _COUNT, _IDS, _SETS, _IDS, _SETS),
    "list_pairs": (ctypes.c_void_p, _IDS, _COUNT, _IDS, _IDS, _VALUES),
    "count_tests": (ctypes.c_void_p,),
    "find_cores": (ctypes.c_void_p, _IDS, _COUNT, _FLAGS),
    "join_cells": (ctypes.c_void_p, _SETS, _IDS, _IDS),
    "mark_texts": (ctypes.c_void_p,),
    "count_texts": (ctypes.c_void_p, _COUNT, _COUNT),
    "join_texts": (ctypes.c_void_p, _COUNT, _COUNT, _IDS, _IDS, _VALUES),
    "number_tokens": (ctypes.c_void_p,),
    "move_slots": (ctypes.c_void_p, _IDS, _COUNT),
    "rank_tokens": (ctypes.c_void_p, _SETS),
    "lay_out_index": (ctypes.c_void_p, _IDS),
    "join_sets": (ctypes.c_void_p, _COUNT, _COUNT, _IDS, _IDS, _VALUES),
    "attach_borders": (ctypes.c_void_p, _SETS, _VALUES, _IDS, _COUNT, _IDS, _COUNT, _IDS, _IDS),
}
_COUNTING = (
    "kernel_version",
    "check_pairs",
    "unite_cores",
    "list_pairs",
    "count_tests",
    "join_cells",
    "attach_borders",
    "count_texts",
    "join_texts",
    "lay_out_index",
    "join_sets",
)


class KernelError(Exception):
    """The shared library is of another version than this code."""


class Kernel:
    """The functions of a shared library.

    Attributes:
        call: The library; its functions take arrays as `_ARGUMENTS` says.
    """

    def __init__(self, path: Path) -> None:
        """Load a library.

        Raises:
            KernelError: It was built from other sources than these; `make kernel` builds it anew.
        """
        self.call = ctypes.CDLL(str(path))
        for name, arguments in _ARGUMENTS.items():
            function = getattr(self.call, name, None)
            if function is None:
                raise KernelError(f"{path} has no function {name}; run `make kernel`")
            function.argtypes = arguments
            function.restype = _COUNT if name in _COUNTING else None
        if (found := self.call.kernel_version()) != VERSION:
            raise KernelError(f"{path} is of version {found}, not {VERSION}; run `make kernel`")

    def bad_pair(self, a: Ids, b: Ids, point_count: int) -> int | None:
        """The first row that is no pair 0 <= a < b < point_count; None when all are."""
        row = int(self.call.check_pairs(a, b, len(a), point_count))
        return None if row < 0 else row

    def unite_cores(
        self, parent: NDArray[np.int32], core: NDArray[np.bool_], a: Ids, b: Ids
    ) -> tuple[Ids, Ids]:
        """Unite pairs of two cores.

        Returns:
            The points that are not core and their cores, of pairs of one core; shapes (attachments,).
        """
        outer, inner = np.empty(len(a), np.int64), np.empty(len(a), np.int64)
        listed = self.call.unite_cores(parent, core, a, b, len(a), outer, inner)
        return outer[:listed], inner[:listed]

    def find_roots(self, parent: NDArray[np.int32], ids: Ids) -> Ids:
        """The smallest id of the set of each id; shape (ids,)."""
        roots = np.empty(len(ids), np.int64)
        self.call.find_roots(parent, ids, len(ids), roots)
        return roots

    def join_in_order(
        self, parent: NDArray[np.int32], a: NDArray[np.int32], b: NDArray[np.int32], order: Ids
    ) -> NDArray[np.bool_]:
        """Which edges, taken in this order, join two sets; by place in the order, shape (edges,)."""
        joins = np.empty(len(order), np.bool_)
        self.call.join_in_order(parent, a, b, order, len(order), joins)
        return joins

    def sort_keys(self, keys: Ids) -> tuple[Ids, NDArray[np.int32]]:
        """Keys >= 0 in ascending order, and the rows they came from, equal keys by row; shapes (keys,)."""
        sorted_keys, rows = keys.copy(), np.empty(len(keys), np.int32)
        largest = int(keys.max()) if len(keys) else 0
        self.call.sort_keys(
            len(keys), largest, sorted_keys, rows, np.empty_like(sorted_keys), np.empty_like(rows)
        )
        return sorted_keys, rows
