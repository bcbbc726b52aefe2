"""Near pairs on their way to files: a bounded buffer, sorted and written whenever it is full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import MeasuredFile, PairLimitError
from lambda_worker.forests.files import WEIGHTED_PAIRS, write_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

FILE_PAIRS = 1 << 22  # 96 MiB of pairs in memory, about three times that while they are sorted
_SMALL_ID = 1 << 31


class PairFiles:
    """Collects pairs and writes them as files.

    What `add` takes is sorted by (point_a, point_b) in each file.

    What is written depends on the pairs and the order they come in, which the input alone decides.

    Args:
        prefix: Address of the files without `-00000.parquet`; None only counts.
        max_pairs: More are refused.
        file_pairs: Pairs of a file at most.
    """

    def __init__(self, prefix: str | None, max_pairs: int, file_pairs: int = FILE_PAIRS) -> None:
        self.pairs = 0
        self.files: list[MeasuredFile] = []
        self._prefix = prefix
        self._max_pairs = max_pairs
        self._file_pairs = file_pairs
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._rows = 0

    def add(self, one: NDArray[np.int64], other: NDArray[np.int64], distance: NDArray[np.float64]) -> None:
        """Take pairs of point ids, the smaller one first or not; shapes (pairs,).

        Raises:
            PairLimitError: There are more than `max_pairs` by now.
        """
        self.pairs += len(one)
        if self.pairs > self._max_pairs:
            raise PairLimitError(f"more than {self._max_pairs} pairs are near")
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
        """Write pairs that come some at a time, smaller ids first, as they come: no file is sorted.

        Raises:
            PairLimitError: There are more than `max_pairs`.
        """
        counted = self._counted(listed)
        if self._prefix is None:
            for _ in counted:
                pass
            return
        for first in counted:
            address = f"{self._prefix}-{len(self.files):05d}.parquet"
            rows, written = write_columns(address, WEIGHTED_PAIRS, self._until_full(first, counted))
            self.files.append(MeasuredFile(address, rows, written))

    def _counted(self, listed: Iterator[Pairs]) -> Iterator[Pairs]:
        for pairs in listed:
            self.pairs += len(pairs[0])
            if self.pairs > self._max_pairs:
                raise PairLimitError(f"more than {self._max_pairs} pairs are near")
            yield pairs

    def _until_full(self, first: Pairs, others: Iterator[Pairs]) -> Iterator[Pairs]:
        """Pairs for one file: whole portions, until it has enough."""
        yield first
        rows = len(first[0])
        while rows < self._file_pairs and (pairs := next(others, None)) is not None:
            yield pairs
            rows += len(pairs[0])

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write()

    def _write(self) -> None:
        low, high, distance = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting, self._rows = [], 0
        order = _order(low, high)
        address = f"{self._prefix}-{len(self.files):05d}.parquet"
        rows, written = write_columns(address, WEIGHTED_PAIRS, [(low[order], high[order], distance[order])])
        self.files.append(MeasuredFile(address, rows, written))


def _order(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows in the order of (low, high); pairs are unique, so that any sort gives the same."""
    if int(high.max()) < _SMALL_ID:
        return np.argsort((low << 31) | high)
    return np.lexsort((high, low))
