"""Forests and dendrograms as Parquet: ids as differences, which a third of the bytes and of the time hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.storage import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Columns = tuple[NDArray[Any], ...]

PAIRS = ("point_a", "point_b")
WEIGHTED_PAIRS = ("point_a", "point_b", "distance")
MERGES = ("left", "right", "distance", "size")


def write_columns(address: str, names: tuple[str, ...], blocks: Iterable[Columns]) -> tuple[int, int]:
    """Write rows that come in blocks; the same blocks give the same bytes.

    Args:
        address: The file.
        names: `PAIRS`, `WEIGHTED_PAIRS` or `MERGES`: `distance` is DOUBLE, the others BIGINT.
        blocks: One array per column, all of shape (rows,).

    Returns:
        The rows, and the size of the file in bytes.
    """
    fields = [
        Field(name, DataType.float64() if name == "distance" else DataType.int64(), nullable=False)
        for name in names
    ]
    with written_whole(address) as path:
        counted = _Counted(Schema(fields), blocks)
        _write(counted, path, names)
        return counted.rows, path.stat().st_size


class _Counted:
    """Record batches of the blocks, and how many rows went by."""

    def __init__(self, schema: Schema, blocks: Iterable[Columns]) -> None:
        self.schema = schema
        self.rows = 0
        self._blocks = blocks

    def batches(self) -> Iterator[RecordBatch]:
        for columns in self._blocks:
            self.rows += len(columns[0])
            for start in range(0, len(columns[0]), BATCH_ROWS):
                yield self._batch([column[start : start + BATCH_ROWS] for column in columns])

    def _batch(self, columns: list[NDArray[Any]]) -> RecordBatch:
        arrays = [
            Array.from_numpy(column if column.dtype == np.float64 else column.astype(np.int64))
            for column in columns
        ]
        return RecordBatch.from_arrays(arrays, schema=self.schema)


def _write(counted: _Counted, path: Path, names: tuple[str, ...]) -> None:
    write_parquet(
        RecordBatchReader.from_batches(counted.schema, counted.batches()),
        path,
        column_encoding={name: "delta_binary_packed" for name in names if name != "distance"},
        dictionary_enabled=False,
        compression="uncompressed",  # nothing is left to gain: differences are packed, distances are noise
        skip_arrow_metadata=True,
    )
