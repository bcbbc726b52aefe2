"""Files between the rounds: vectors with numbers, and exact sums."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from lambda_worker.contract import InputError
from lambda_worker.forests.files import write_columns
from lambda_worker.parquet_io import BATCH_ROWS, bigint_columns, read_bigints, read_rows
from lambda_worker.storage import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

SUMS = ("centre", "dimension", "level", "sum")
_DIMENSION = re.compile(r"x(0|[1-9][0-9]*)")
_NUMBERS_AT_ONCE = 1 << 21


def write_vectors(
    address: str, numbers: Mapping[str, NDArray[np.int64]], vectors: NDArray[np.float64]
) -> int:
    """Write BIGINT columns and the columns `x0 DOUBLE, x1 DOUBLE, ...`; equal rows give equal bytes.

    Args:
        address: The file.
        numbers: By name, shape (rows,).
        vectors: Shape (dimensions, rows).

    Returns:
        The size of the file in bytes.
    """
    columns: dict[str, NDArray[Any]] = {
        **{name: np.ascontiguousarray(column, np.int64) for name, column in numbers.items()},
        **{f"x{dimension}": np.ascontiguousarray(row) for dimension, row in enumerate(vectors)},
    }
    schema = Schema(
        [
            Field(name, DataType.float64() if name.startswith("x") else DataType.int64(), nullable=False)
            for name in columns
        ]
    )
    step = max(1, _NUMBERS_AT_ONCE // len(columns))
    batches = (
        RecordBatch.from_arrays(
            [Array.from_numpy(values[start : start + step]) for values in columns.values()], schema=schema
        )
        for start in range(0, vectors.shape[1], step)
    )
    with written_whole(address) as path:
        write_parquet(
            RecordBatchReader.from_batches(schema, batches),
            path,
            compression="zstd(1)",
            dictionary_enabled=False,
            skip_arrow_metadata=True,
        )
        return path.stat().st_size


def read_vectors(
    address: str, numbers: tuple[str, ...]
) -> tuple[tuple[NDArray[np.int64], ...], NDArray[np.float64]]:
    """Read such a file whole.

    Args:
        address: The file.
        numbers: Names of its BIGINT columns.

    Returns:
        The BIGINT columns, shape (rows,) each, and the vectors, shape (dimensions, rows).

    Raises:
        InputError: The file is missing or no such file.
    """
    names: list[str] = []

    def check(schema: Schema) -> None:
        names.extend(name for name in schema.names if _DIMENSION.fullmatch(name))
        if names != [f"x{dimension}" for dimension in range(len(names))] or not names:
            raise InputError(f"{address} holds no vectors; its columns are {', '.join(schema.names[:5])}")

    found: list[list[NDArray[np.int64]]] = [[np.empty(0, np.int64)] for _ in numbers]
    vectors = []
    for batch in read_rows(address, BATCH_ROWS, check):
        for column, values in zip(found, bigint_columns(batch, numbers, address), strict=True):
            column.append(values)
        vectors.append(np.stack([batch.column(name).to_numpy() for name in names]))
    vectors.append(np.empty((len(names), 0)))
    return tuple(np.concatenate(column) for column in found), np.concatenate(vectors, axis=1)


def write_streamed(
    address: str, names: tuple[str, ...], blocks: Iterable[tuple[NDArray[np.int64], ...]]
) -> tuple[int, int]:
    """Write BIGINT columns as `write_columns` does; what goes wrong in the blocks is raised as it is.

    Returns:
        The rows, and the size of the file in bytes.
    """
    failed: list[Exception] = []

    def guarded() -> Iterator[tuple[NDArray[np.int64], ...]]:
        try:
            yield from blocks
        except Exception as error:
            failed.append(error)
            raise

    try:
        return write_columns(address, names, guarded())
    except Exception:
        if failed:  # the writer has made another error of it
            raise failed[0] from None
        raise


def read_sums(address: str) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Stream the rows of such a file: centre, dimension, level and sum, shapes (rows,).

    Raises:
        InputError: The file is missing or no such file.
    """
    return read_bigints(address, SUMS)
