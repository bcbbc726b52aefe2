"""Sets of numbered tokens in the order of their sizes, as the C functions take them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.kernel.library import Kernel
    from lambda_worker.kernel.portions import Portions

METRICS = {"jaccard": 0, "dice": 1, "overlap": 2, "cosine": 3}
"""As `set_join.c` numbers them."""

_ENTRY_NUMBERS = 3  # of 8 bytes


class _Struct(ctypes.Structure):
    """`SetJoin` in set_join.c."""

    _fields_: ClassVar = [
        ("sets", ctypes.c_int64),
        ("metric", ctypes.c_int64),
        ("threshold", ctypes.c_double),
        ("share", ctypes.c_double),
        ("ratio", ctypes.c_double),
        ("is_all", ctypes.c_int64),
        ("tokens", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("sizes", ctypes.c_void_p),
        ("held", ctypes.c_void_p),
        ("marks", ctypes.c_void_p),
        ("ranks", ctypes.c_int64),
        ("lists", ctypes.c_void_p),
        ("entries", ctypes.c_void_p),
        ("seen", ctypes.c_void_p),
        ("next", ctypes.c_int64),
        ("round", ctypes.c_int64),
        ("tested", ctypes.c_int64),
    ]


class SetJoin:
    """Near pairs of sets, some at a time; sets are known by their row.

    Attributes:
        foreseen: About the pairs that will be looked at.
    """

    def __init__(
        self,
        kernel: Kernel,
        metric: tuple[str, float],
        bounds: tuple[float, float],
        sets: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]],
        rank_of: NDArray[np.int32],
    ) -> None:
        """Nothing is compared yet.

        Args:
            kernel: The functions.
            metric: One of `METRICS`, and the largest distance that is near.
            bounds: `share` and `ratio` of sql/candidates/sets.sql, rounded down.
            sets: Token numbers end to end, which are overwritten; where each set begins; sizes, ascending.
            rank_of: By token number: its place in the order of the tokens, below 0 for one of a single set.
        """
        name, threshold = metric
        tokens, starts, sizes = sets
        self._kernel = kernel
        self._sets = len(sizes)
        ranks = int(rank_of.max(initial=-1)) + 1
        # The struct holds addresses only.
        arrays: dict[str, NDArray[Any]] = {
            "tokens": tokens,
            "starts": np.ascontiguousarray(starts, np.int64),
            "sizes": np.ascontiguousarray(sizes, np.int32),
            "held": np.empty(self._sets, np.int32),
            "marks": np.empty(self._sets, np.uint64),
            "lists": np.zeros(ranks, np.int64),
            "seen": np.zeros(self._sets, np.int32),
        }
        self._arrays = arrays
        self._struct = _Struct(
            sets=self._sets,
            metric=METRICS[name],
            threshold=threshold,
            share=bounds[0],
            ratio=bounds[1],
            is_all=threshold >= 1,
            ranks=ranks,
            **{key: array.ctypes.data for key, array in arrays.items()},
        )
        kernel.call.rank_tokens(self._address, rank_of)
        tests = np.zeros(1, np.int64)
        entries = int(kernel.call.lay_out_index(self._address, tests))
        arrays["entries"] = np.empty((entries, _ENTRY_NUMBERS), np.int64)
        self._struct.entries = arrays["entries"].ctypes.data
        self.foreseen = int(tests[0])

    @property
    def _address(self) -> object:
        return ctypes.byref(self._struct)

    @property
    def tested(self) -> int:
        """Pairs that were looked at so far."""
        return int(self._struct.tested)

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        return bool(self._struct.next >= self._sets)

    def list_pairs(self, work: int, portions: Portions) -> int:
        """List pairs into the arrays, see set_join.c."""
        return int(self._kernel.call.join_sets(self._address, work, portions.capacity, *portions.arrays))
