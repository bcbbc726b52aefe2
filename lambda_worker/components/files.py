"""Tables of the operations on components, read by an SQL engine and by the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.storage import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


def write_table(address: str, columns: Mapping[str, NDArray[Any]]) -> int:
    """Write columns as zstd Parquet; equal columns give equal bytes.

    Args:
        address: The file.
        columns: By name, shape (rows,): float64 becomes DOUBLE, whole numbers of any size BIGINT.

    Returns:
        The size of the file in bytes.
    """
    fields = [Field(name, _type_of(column), nullable=False) for name, column in columns.items()]
    schema = Schema(fields)
    with written_whole(address) as path:
        reader = RecordBatchReader.from_batches(schema, _batches(schema, columns))
        write_parquet(reader, path, compression="zstd(3)", skip_arrow_metadata=True)
        return path.stat().st_size


def _type_of(column: NDArray[Any]) -> DataType:
    return DataType.float64() if column.dtype == np.float64 else DataType.int64()


def _batches(schema: Schema, columns: Mapping[str, NDArray[Any]]) -> Iterator[RecordBatch]:
    rows = max(len(column) for column in columns.values())
    for start in range(0, rows, BATCH_ROWS):
        parts = [column[start : start + BATCH_ROWS] for column in columns.values()]
        arrays = [
            Array.from_numpy(part if part.dtype == np.float64 else part.astype(np.int64)) for part in parts
        ]
        yield RecordBatch.from_arrays(arrays, schema=schema)
