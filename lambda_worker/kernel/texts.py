"""Texts in the order of their lengths, as the C functions take them."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.kernel.library import Kernel
    from lambda_worker.kernel.portions import Portions

_COUNTED = 1 << 12  # texts that ask, of all, when tests are counted beforehand


class _Struct(ctypes.Structure):
    """`TextJoin` in text_join.c."""

    _fields_: ClassVar = [
        ("texts", ctypes.c_int64),
        ("edits", ctypes.c_int64),
        ("codes", ctypes.c_void_p),
        ("starts", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("marks", ctypes.c_void_p),
        ("heads", ctypes.c_void_p),
        ("entries", ctypes.c_void_p),
        ("keys", ctypes.c_void_p),
        ("widest", ctypes.c_int64),
        ("slots", ctypes.c_int64),
        ("cuts", ctypes.c_void_p),
        ("seen", ctypes.c_void_p),
        ("cells", ctypes.c_void_p),
        ("first", ctypes.c_int64),
        ("next", ctypes.c_int64),
        ("round", ctypes.c_int64),
        ("tested", ctypes.c_int64),
    ]


class TextJoin:
    """Near pairs of texts, some at a time; texts are known by their row."""

    def __init__(
        self,
        kernel: Kernel,
        codes: NDArray[np.int32],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        edits: int,
    ) -> None:
        """Nothing is compared yet.

        Args:
            kernel: The functions.
            codes: Code points of all texts, end to end.
            starts: Shape (texts,): where each begins.
            lengths: Shape (texts,), ascending.
            edits: Near texts are at most so many apart.
        """
        self._kernel = kernel
        self._texts = len(lengths)
        widest, segments = int(np.bincount(lengths).max(initial=1)), edits + 1
        # The struct holds addresses only.
        arrays: dict[str, NDArray[Any]] = {
            "codes": np.ascontiguousarray(codes, np.int32),
            "starts": np.ascontiguousarray(starts, np.int64),
            "lengths": np.ascontiguousarray(lengths, np.int64),
            "marks": np.empty(self._texts, np.uint64),
            "heads": np.empty((segments, 2 * widest + 1), np.int32),
            "entries": np.empty((segments, widest), np.int32),
            "keys": np.empty((segments, widest), np.uint64),
            "cuts": np.empty(segments + 1, np.int64),
            "seen": np.zeros(self._texts, np.int32),
            "cells": np.empty(int(lengths[-1]) + 2 if self._texts else 2, np.int32),
        }
        self._arrays = arrays
        addresses = {name: array.ctypes.data for name, array in arrays.items()}
        self._struct = _Struct(texts=self._texts, edits=edits, widest=widest, **addresses)
        kernel.call.mark_texts(self._address)

    @property
    def _address(self) -> object:
        return ctypes.byref(self._struct)

    @property
    def tested(self) -> int:
        """Pairs that shared a key so far."""
        return int(self._struct.tested)

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        return bool(self._struct.first >= self._texts)

    def count_tests(self, most: int) -> int:
        """About the pairs that share a key, before anything is listed; some number above `most` beyond it."""
        step = self._texts // _COUNTED + 1
        return step * int(self._kernel.call.count_texts(self._address, step, most // step))

    def list_pairs(self, work: int, portions: Portions) -> int:
        """List pairs into the arrays, see text_join.c."""
        return int(self._kernel.call.join_texts(self._address, work, portions.capacity, *portions.arrays))
