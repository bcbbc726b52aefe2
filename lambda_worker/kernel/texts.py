"""Texts in order of length, in the layout of the C functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.kernel.structs import Join, c_struct

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Ints, Ints32
    from lambda_worker.kernel.library import Kernel

_COUNTED = 1 << 12  # texts sampled to estimate the number of tests


_Struct = c_struct(
    "TextJoin",
    """texts, edits, *codes, *starts, *lengths, *marks, *heads, *entries, *keys, widest, slots, *cuts, *seen,
    *cells, first, next, round, tested""",
)


class TextJoin(Join):
    """Lists near pairs of texts in portions; texts are identified by row."""

    def __init__(self, kernel: Kernel, codes: Ints32, starts: Ints, lengths: Ints, edits: int) -> None:
        """Prepare the search.

        Args:
            kernel: The functions.
            codes: Code points of all texts, end to end.
            starts: Shape (texts,): where each begins.
            lengths: Shape (texts,), ascending.
            edits: The largest edit distance of near texts.
        """
        self.join, self._count = kernel.call.join_texts, kernel.call.count_texts
        self._texts = len(lengths)
        widest, segments = int(np.bincount(lengths).max(initial=1)), edits + 1
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
        super().__init__(_Struct, arrays, texts=self._texts, edits=edits, widest=widest)
        kernel.call.mark_texts(self.address)

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        return self.number("first") >= self._texts

    def count_tests(self, most: int) -> int:
        """Estimate the pairs that share a key, before listing; may stop at any number above `most`."""
        step = self._texts // _COUNTED + 1
        return step * int(self._count(self.address, step, most // step))
