"""Parquet in and out through arro3, which imports in 10 ms where pyarrow weighs 160 MB.

arro3 has no column projection: every column of an input is decoded, the named ones are kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from arro3.core import (
    Array,
    DataType,
    Field,
    RecordBatch,
    RecordBatchReader,
    Schema,
    list_flatten,
    list_offsets,
)
from arro3.io import read_parquet, write_parquet

from lambda_worker.contract import InputError
from lambda_worker.deadline import check_deadline
from lambda_worker.labels import ROLES, Labels
from lambda_worker.storage import local_copy, written_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

# 64 Ki rows: larger batches are no faster (measured, benchmarks/bench_clusters.py) and cost memory.
BATCH_ROWS = 1 << 16
_MAGIC = b"PAR1"
_SMALLEST_FILE = 12  # magic, footer length, magic
_LABELS_SCHEMA = Schema(
    [
        Field("point_id", DataType.int64(), nullable=False),
        Field("cluster", DataType.int64(), nullable=False),
        Field("role", DataType.utf8(), nullable=False),
    ]
)
_PROBABILITY = Field("probability", DataType.float64(), nullable=False)


def read_bigints(
    address: str, columns: tuple[str, ...], batch_rows: int = BATCH_ROWS
) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Stream named BIGINT columns of a Parquet file, at most `batch_rows` rows at a time.

    Args:
        address: The file.
        columns: Names of the columns to keep.
        batch_rows: Upper bound of the rows in memory at once.

    Yields:
        One read-only array per column, shape (rows,), in file order.

    Raises:
        InputError: The file is missing or not whole Parquet, or a column is missing, of another
            type or has nulls.
    """
    for batch in read_rows(address, batch_rows, lambda schema: _check_columns(schema, columns, address)):
        yield bigint_columns(batch, columns, address)


def read_features(
    address: str, bigints: tuple[str, ...], features: tuple[str, ...], batch_rows: int = BATCH_ROWS
) -> Iterator[tuple[tuple[NDArray[np.int64], ...], NDArray[np.float64]]]:
    """Stream BIGINT columns and feature vectors of a Parquet file, at most `batch_rows` rows at a time.

    Args:
        address: The file.
        bigints: Names of BIGINT columns.
        features: Names of DOUBLE columns, one a dimension; or of one ARRAY(DOUBLE) column.
        batch_rows: Upper bound of the rows in memory at once.

    Yields:
        One array per BIGINT column, shape (rows,); and the vectors, shape (dimensions, rows).

    Raises:
        InputError: The file is missing or not whole Parquet, a column is missing, of another type or has
            nulls, a value is not finite, or arrays differ in length.
    """
    lists = False

    def check(schema: Schema) -> None:
        nonlocal lists
        _check_columns(schema, bigints, address)
        lists = _check_features(schema, features, address)

    for batch in read_rows(address, batch_rows, check):
        numbers = bigint_columns(batch, bigints, address)
        yield numbers, _vectors(batch, features, address, lists=lists)


def read_rows(
    address: str, batch_rows: int, check: Callable[[Schema], None] | None = None
) -> Iterator[RecordBatch]:
    """Stream a Parquet file, at most `batch_rows` rows at a time, never none.

    Args:
        address: The file.
        batch_rows: Upper bound of the rows in memory at once.
        check: Called with the schema before the first row; raises InputError.

    Raises:
        InputError: The file is missing or not whole Parquet.
    """
    with local_copy(address) as path:
        _check_magic(path, address)
        with _decoding(address):
            reader = read_parquet(path, batch_size=batch_rows)
        if check is not None:
            check(reader.schema)
        while True:
            check_deadline()
            with _decoding(address):
                batch = next(reader, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch


def bigint_columns(
    batch: RecordBatch, columns: tuple[str, ...], address: str
) -> tuple[NDArray[np.int64], ...]:
    """Named BIGINT columns of a batch, read-only, shape (rows,) each.

    Raises:
        InputError: A column is missing, of another type or has nulls.
    """
    _check_columns(batch.schema, columns, address)
    return tuple(_values(batch, column, address) for column in columns)


def write_labels(address: str, labels: Labels) -> int:
    """Write `point_id, cluster, role` in point order as zstd Parquet; equal labels give equal bytes.

    Labels with a probability have the column `probability DOUBLE` too.

    Returns:
        The size of the file in bytes.
    """
    schema = _LABELS_SCHEMA if labels.probability is None else _LABELS_SCHEMA.append(_PROBABILITY)
    with written_whole(address) as path:
        reader = RecordBatchReader.from_batches(schema, _label_batches(labels, schema))
        # Ids and clusters as differences: two thirds of the time and of the bytes of a dictionary of them.
        write_parquet(
            reader,
            path,
            column_encoding=dict.fromkeys(("point_id", "cluster"), "delta_binary_packed"),
            column_dictionary_enabled={"point_id": False, "cluster": False, "role": True},
            compression="zstd(1)",
            skip_arrow_metadata=True,
        )
        return path.stat().st_size


def _label_batches(labels: Labels, schema: Schema) -> Iterator[RecordBatch]:
    names = Array(list(ROLES), type=DataType.utf8())
    for start in range(0, len(labels.cluster), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        cluster = labels.cluster[rows]
        ids = np.arange(start, start + len(cluster), dtype=np.int64)
        roles = names.take(Array.from_numpy(labels.role[rows]))
        columns = [Array.from_numpy(ids), Array.from_numpy(cluster.astype(np.int64)), roles]
        if labels.probability is not None:
            columns.append(Array.from_numpy(labels.probability[rows]))
        yield RecordBatch.from_arrays(columns, schema=schema)


def _check_magic(path: Path, address: str) -> None:
    """Refuse the common case, a truncated or foreign file, before the reader panics over it."""
    with path.open("rb") as file:
        head = file.read(4)
        size = file.seek(0, 2)
        file.seek(max(0, size - 4))
        tail = file.read(4)
    if size < _SMALLEST_FILE or head != _MAGIC or tail != _MAGIC:
        raise InputError(f"{address} is not a whole Parquet file ({size} bytes)")


def _check_columns(schema: Schema, columns: tuple[str, ...], address: str) -> None:
    types = {name: schema.field(name).type for name in schema.names}
    for column in columns:
        if column not in types:
            raise InputError(f"{address} has no column {column}; its columns are {', '.join(types)}")
        if types[column] != DataType.int64():
            raise InputError(f"column {column} of {address} is {types[column]}, not BIGINT")


def _values(batch: RecordBatch, column: str, address: str) -> NDArray[np.int64]:
    array = batch.column(column)
    if array.null_count:
        raise InputError(f"column {column} of {address} has nulls")
    values: NDArray[np.int64] = array.to_numpy()
    return values


def _check_features(schema: Schema, columns: tuple[str, ...], address: str) -> bool:
    """Whether the features are one column of arrays."""
    types = {name: schema.field(name).type for name in schema.names}
    for column in columns:
        if column not in types:
            raise InputError(f"{address} has no column {column}; its columns are {', '.join(types)}")
    kind = types[columns[0]]
    if len(columns) == 1 and DataType.is_list(kind):
        if kind.value_type != DataType.float64():
            raise InputError(f"column {columns[0]} of {address} is {kind}, not ARRAY(DOUBLE)")
        return True
    for column in columns:
        if types[column] != DataType.float64():
            raise InputError(f"column {column} of {address} is {types[column]}, not DOUBLE")
    return False


def _vectors(
    batch: RecordBatch, columns: tuple[str, ...], address: str, *, lists: bool
) -> NDArray[np.float64]:
    """Shape (dimensions, rows)."""
    arrays = [batch.column(column) for column in columns]
    if lists:
        offsets = list_offsets(arrays[0]).to_numpy()
        lengths = np.unique(np.diff(offsets))
        if len(lengths) != 1 or arrays[0].null_count:
            raise InputError(f"arrays of column {columns[0]} of {address} are null or differ in length")
        arrays = [list_flatten(arrays[0])]
    if any(array.null_count for array in arrays):
        raise InputError(f"a column among {', '.join(columns[:3])} of {address} has nulls")
    if lists:
        flat = arrays[0].to_numpy()
        vectors = np.ascontiguousarray(flat.reshape(batch.num_rows, int(lengths[0])).T)
    else:
        vectors = np.stack([array.to_numpy() for array in arrays])
    if not np.isfinite(vectors).all():
        raise InputError(f"a value of {', '.join(columns[:3])} of {address} is not finite")
    return vectors


@contextmanager
def _decoding(address: str) -> Iterator[None]:
    """Turn arro3's two ways to report bad bytes, a plain Exception and a Rust panic, into InputError."""
    try:
        yield
    except BaseException as error:  # a Rust panic is not an Exception; all others pass on
        if type(error) is Exception or type(error).__module__ == "pyo3_runtime":
            raise InputError(f"{address} cannot be read as Parquet: {_first_line(error)}") from error
        raise


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:300]
