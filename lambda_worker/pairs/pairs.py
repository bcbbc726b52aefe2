"""Writes near pairs to files through a bounded buffer, which is sorted and written when full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract import MeasuredFile, PairLimitError
from lambda_worker.contract.candidates import FILE_PAIRS
from lambda_worker.tables.writing import WEIGHTED_PAIRS, write_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lambda_worker.arrays import Floats, Indices, Ints, Pairs


_SMALL_ID = 1 << 31


class PairFiles:
    """Collects pairs and writes them to files.

    Pairs from `add` are sorted by (point_a, point_b) in each file. The output depends on the pairs and their
    order of arrival, which depends only on the input.

    Args:
        prefix: Address of the files without `-00000.parquet`; None only counts.
        max_pairs: More pairs are refused.
        file_pairs: Maximum of pairs per file.
    """

    def __init__(self, prefix: str | None, max_pairs: int, file_pairs: int = FILE_PAIRS) -> None:
        self.pairs = 0
        self.files: list[MeasuredFile] = []
        self._prefix = prefix
        self._max_pairs = max_pairs
        self._file_pairs = file_pairs
        self._waiting: list[Pairs] = []
        self._rows = 0

    def add(self, one: Ints, other: Ints, distance: Floats) -> None:
        """Add pairs of point ids, in either order; shapes (pairs,).

        Raises:
            PairLimitError: There are more than `max_pairs` so far.
        """
        self._count(len(one))
        if self._prefix is None:
            return
        for start in range(0, len(one), self._file_pairs):
            part = slice(start, start + self._file_pairs)
            if self._rows + len(one[part]) > self._file_pairs:
                self._write()
            low, high = np.minimum(one[part], other[part]), np.maximum(one[part], other[part])
            self._waiting.append((low, high, distance[part]))
            self._rows += len(low)

    def write_listed(self, listed: Iterator[Pairs]) -> None:
        """Write blocks of pairs with smaller ids first, in order of arrival, without sorting.

        Raises:
            PairLimitError: There are more than `max_pairs`.
        """
        counted = self._counted(listed)
        if self._prefix is None:
            for _ in counted:
                pass
            return
        for first in counted:
            self._write_file(self._until_full(first, counted))

    def _counted(self, listed: Iterator[Pairs]) -> Iterator[Pairs]:
        for pairs in listed:
            self._count(len(pairs[0]))
            yield pairs

    def _count(self, pairs: int) -> None:
        self.pairs += pairs
        if self.pairs > self._max_pairs:
            raise PairLimitError(f"more than {self._max_pairs} pairs are near")

    def _until_full(self, first: Pairs, others: Iterator[Pairs]) -> Iterator[Pairs]:
        """Yield whole blocks of pairs for one file until it has enough."""
        yield first
        rows = len(first[0])
        while rows < self._file_pairs and (pairs := next(others, None)) is not None:
            yield pairs
            rows += len(pairs[0])

    def close(self) -> None:
        """Write the remaining pairs."""
        if self._rows:
            self._write()

    def fields(self) -> dict[str, Any]:
        """What was written, as fields of a `MeasureReply`."""
        return {
            "files": tuple(self.files),
            "pairs": self.pairs,
            "bytes": sum(file.bytes for file in self.files),
        }

    def _write(self) -> None:
        low, high, distance = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._rows = [], 0
        order = _order(low, high)
        self._write_file([(low[order], high[order], distance[order])])

    def _write_file(self, blocks: Iterable[Pairs]) -> None:
        address = f"{self._prefix}-{len(self.files):05d}.parquet"
        rows, written = write_columns(address, WEIGHTED_PAIRS, blocks)
        self.files.append(MeasuredFile(address, rows, written))


def _order(low: Ints, high: Ints) -> Indices:
    """Order rows by (low, high); pairs are unique, so any sort gives the same order."""
    if int(high.max()) < _SMALL_ID:
        return np.argsort((low << 31) | high)
    return np.lexsort((high, low))
