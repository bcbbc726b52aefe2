"""All near pairs of the texts of a day, by the kernel or its Python fallback."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded
from lambda_worker.kernel.texts import TextJoin
from lambda_worker.metrics.edits import levenshtein
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.features import Codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Pairs
    from lambda_worker.tables.lists import Texts

_CODE_BYTES = 4
_COMPARED = 1 << 22  # code points of pairs that are measured at once, at most


class TextSearch:
    """The near pairs of some texts.

    Attributes:
        tested: Pairs that shared a key so far.
    """

    def __init__(self, texts: Texts, edits: int) -> None:
        """Prepare the search.

        Args:
            texts: The texts to compare.
            edits: Maximum of insertions, deletions and substitutions of code points between near texts.
        """
        self.tested = 0
        order = np.argsort(texts.lengths, kind="stable")
        self._ids = texts.ids.take(order)
        self._codes = texts.codes
        self._starts, self._lengths = texts.starts.take(order), texts.lengths.take(order)
        self._edits = edits
        kernel = loaded()
        self._join = (
            None if kernel is None else TextJoin(kernel, self._codes, self._starts, self._lengths, edits)
        )

    def count_tests(self, most: int) -> int:
        """Estimate the pairs that share a key; may stop at any number above `most`; 0 without the kernel."""
        return self._join.count_tests(most) if self._join is not None else 0

    def pairs(self) -> Iterator[Pairs]:
        """Yield ids and distances in blocks, each of shape (pairs,). It can be iterated only once."""
        listed = self._by_hand() if self._join is None else self._join.pairs()
        for one, other, distance in listed:
            yield self._ids.take(one), self._ids.take(other), distance.copy()
        if self._join is not None:
            self.tested = self._join.tested

    def _by_hand(self) -> Iterator[Pairs]:
        """The algorithm of the kernel with equal cuts; the choice of cuts does not change the result."""
        lengths, first = self._lengths, 0
        most = max(1, _COMPARED // (int(lengths[-1]) + 1)) if len(lengths) else 1
        one: list[int] = []
        other: list[int] = []
        while first < len(lengths):
            length = int(lengths[first])
            cuts = [length * k // (self._edits + 1) for k in range(self._edits + 2)]
            index = self._index(first, int(np.searchsorted(lengths, length, "right")), cuts)
            last = int(np.searchsorted(lengths, length + self._edits, "right"))
            for row in range(first, last):
                check_deadline()
                found = self._sharing(row, index, cuts)
                one.extend(found)
                other.extend([row] * len(found))
                if len(one) >= most:
                    yield from self._near(one, other, most)
                    one, other = [], []
            first = int(np.searchsorted(lengths, length, "right"))
        yield from self._near(one, other, most)

    @cached_property
    def _in_order(self) -> Codes:
        """Return the texts end to end in the order of the rows."""
        text = b"".join(map(self._text, range(len(self._lengths))))
        return Codes(np.append(0, np.cumsum(self._lengths)), np.frombuffer(text, np.int32))

    def _text(self, row: int) -> bytes:
        start = int(self._starts[row])
        return self._codes[start : start + int(self._lengths[row])].tobytes()

    def _index(self, first: int, end: int, cuts: list[int]) -> dict[tuple[int, bytes], list[int]]:
        index: dict[tuple[int, bytes], list[int]] = {}
        for row in range(first, end):
            text = self._text(row)
            for segment in range(self._edits + 1):
                piece = text[_CODE_BYTES * cuts[segment] : _CODE_BYTES * cuts[segment + 1]]
                index.setdefault((segment, piece), []).append(row)
        return index

    def _sharing(self, row: int, index: dict[tuple[int, bytes], list[int]], cuts: list[int]) -> list[int]:
        """Return the earlier rows that share a key with this one, ascending."""
        text, found = self._text(row), set[int]()
        added = len(text) // _CODE_BYTES - cuts[-1]
        for segment in range(self._edits + 1):
            width, after = cuts[segment + 1] - cuts[segment], self._edits - segment
            low = max(0, cuts[segment] + max(-segment, added - after))
            high = min(cuts[-1] + added - width, cuts[segment] + min(segment, added + after))
            for place in range(low, high + 1):
                piece = text[_CODE_BYTES * place : _CODE_BYTES * (place + width)]
                found.update(index.get((segment, piece), ()))
        return sorted(other for other in found if other < row)

    def _near(self, one: list[int], other: list[int], most: int) -> Iterator[Pairs]:
        """Return the near pairs among the given ones."""
        for start in range(0, len(one), most):
            check_deadline()
            a, b = np.array(one[start : start + most]), np.array(other[start : start + most])
            distance = levenshtein(self._in_order, a, b)
            near = distance <= self._edits
            self.tested += len(a)
            yield a[near], b[near], distance[near].astype(np.float64)
