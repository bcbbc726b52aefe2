"""Reads Parquet through arro3, which imports in 10 ms; pyarrow would add 160 MB.

arro3 has no column projection: it decodes every column of an input, and only the named ones are kept.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from arro3.core import Array, DataType, RecordBatch, Schema, list_flatten, list_offsets
from arro3.io import read_parquet

from lambda_worker.contract import InputError
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.runtime.storage import local_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lambda_worker.arrays import Bigints, Floats, Ints

# 64 Ki rows: larger batches are no faster (measured, benchmarks/bench_clusters.py) and cost memory.
BATCH_ROWS = 1 << 16
_TYPES = {"BIGINT": DataType.int64(), "DOUBLE": DataType.float64(), "VARCHAR": DataType.utf8()}
_MAGIC = b"PAR1"
_SMALLEST_FILE = 12  # magic, footer length, magic


def read_bigints(address: str, columns: tuple[str, ...]) -> Iterator[Bigints]:
    """Stream named BIGINT columns of a Parquet file, at most `BATCH_ROWS` rows at a time.

    Args:
        address: The file.
        columns: Names of the columns to keep.

    Yields:
        One read-only array per column, shape (rows,), in file order.

    Raises:
        InputError: The file is missing or not complete Parquet, or a column is missing, has another
            type or has nulls.
    """
    check = partial(_check_type, columns=columns, wanted="BIGINT", address=address)
    for batch in read_rows(address, check):
        yield _bigints(batch, columns, address)


def read_features(
    address: str, bigints: tuple[str, ...], features: tuple[str, ...], most_rows: int = BATCH_ROWS
) -> Iterator[tuple[Bigints, Floats]]:
    """Stream BIGINT columns and feature vectors of a Parquet file, at most `BATCH_ROWS` rows at a time.

    Args:
        address: The file.
        bigints: Names of BIGINT columns.
        features: Names of DOUBLE columns, one per dimension; or of one ARRAY(DOUBLE) column.
        most_rows: Upper bound of the rows in memory at once, besides `BATCH_ROWS`.

    Yields:
        One array per BIGINT column, shape (rows,); and the vectors, shape (dimensions, rows).

    Raises:
        InputError: The file is missing or not complete Parquet, a column is missing, has another type or
            has nulls, a value is not finite, or arrays differ in length.
    """
    lists = False

    def check(schema: Schema) -> None:
        nonlocal lists
        _check_type(schema, bigints, "BIGINT", address)
        lists = len(features) == 1 and _type_of(schema, features[0], address).startswith("ARRAY")
        _check_type(schema, features, "ARRAY(DOUBLE)" if lists else "DOUBLE", address)

    for batch in read_rows(address, check, most_rows):
        yield _bigints(batch, bigints, address), _vectors(batch, features, address, lists=lists)


def read_column(
    address: str, bigints: tuple[str, ...], column: str, wanted: str, most_rows: int = BATCH_ROWS
) -> Iterator[tuple[Bigints, Array]]:
    """Stream BIGINT columns and one column of a type of SQL, such as `ARRAY(VARCHAR)`.

    Raises:
        InputError: As in `read_bigints`.
    """

    def check(schema: Schema) -> None:
        _check_type(schema, bigints, "BIGINT", address)
        _check_type(schema, (column,), wanted, address)

    for batch in read_rows(address, check, most_rows):
        yield _bigints(batch, bigints, address), _without_nulls(batch, column, address)


def read_rows(
    address: str, check: Callable[[Schema], None], most_rows: int = BATCH_ROWS
) -> Iterator[RecordBatch]:
    """Stream a Parquet file in non-empty batches.

    Args:
        address: The file.
        check: Called with the schema before the first row; raises InputError.
        most_rows: As in `read_features`.

    Raises:
        InputError: The file is missing or not whole Parquet.
    """
    with local_copy(address) as path:
        _check_magic(path, address)
        with _decoding(address):
            reader = read_parquet(path, batch_size=min(most_rows, BATCH_ROWS))
        check(reader.schema)
        while True:
            check_deadline()
            with _decoding(address):
                batch = next(reader, None)
            if batch is None:
                return
            if batch.num_rows:
                yield batch


def check_ids(ids: Ints, point_count: int, address: str) -> None:
    """Check the ids of points of a day, shape (rows,), at least one.

    Raises:
        InputError: An id is not in 0..point_count-1.
    """
    if ids.min() < 0 or ids.max() >= point_count:
        stray = ids[(ids < 0) | (ids >= point_count)][0]
        raise InputError(f"{address}: point id {stray} is not in 0..{point_count - 1}")


def read_day(
    addresses: tuple[str, ...],
    bigints: tuple[str, ...],
    point_count: int,
    doubles: tuple[str, ...] = (),
    most_rows: int = BATCH_ROWS,
) -> Iterator[tuple[str, Bigints, Floats]]:
    """Stream tables that together hold each of the points 0..point_count-1 once, in any order.

    Args:
        addresses: The files.
        bigints: Names of BIGINT columns besides `point_id`.
        point_count: Points of the day.
        doubles: Names of feature columns as in `read_features`, or none.
        most_rows: As in `read_features`.

    Yields:
        The file, the ids and BIGINT columns, and the doubles.

    Raises:
        InputError: As in `read_features`; or, in the end, a point is missing or comes twice.
    """
    seen = np.zeros(point_count, np.bool_)
    rows = 0
    for address in addresses:
        for numbers, values in read_features(address, ("point_id", *bigints), doubles, most_rows):
            check_ids(numbers[0], point_count, address)
            seen[numbers[0]] = True
            rows += len(numbers[0])
            yield address, numbers, values
    if rows != point_count:
        raise InputError(f"the event promises {point_count} points, the files hold {rows}")
    if not seen.all():
        raise InputError(f"point ids are not dense: {int(np.argmin(seen))} is missing, another comes twice")


def check_weights(ids: Ints, weights: Ints, address: str) -> None:
    """Check the weights of points, shapes (rows,), at least one.

    Raises:
        InputError: A weight is below 1.
    """
    if weights.min() < 1:
        at = int(np.argmin(weights))
        raise InputError(
            f"{address}: point {ids[at]} has weight {weights[at]}; a point has at least one entity"
        )


def _check_magic(path: Path, address: str) -> None:
    """Refuse a truncated or foreign file, the common case, before the reader panics."""
    with path.open("rb") as file:
        head = file.read(4)
        size = file.seek(0, 2)
        file.seek(max(0, size - 4))
        tail = file.read(4)
    if size < _SMALLEST_FILE or head != _MAGIC or tail != _MAGIC:
        raise InputError(f"{address} is not a whole Parquet file ({size} bytes)")


def _type_of(schema: Schema, column: str, address: str) -> str:
    """The type of a column as SQL calls it, or arrow's own name of another type."""
    if column not in schema.names:
        raise InputError(f"{address} has no column {column}; its columns are {', '.join(schema.names)}")
    found = schema.field(column).type
    is_list = bool(DataType.is_list(found))
    item = found.value_type if is_list else found
    for name, kind in _TYPES.items():
        if kind == item:
            return f"ARRAY({name})" if is_list else name
    return str(found)


def _check_type(schema: Schema, columns: tuple[str, ...], wanted: str, address: str) -> None:
    for column in columns:
        if (found := _type_of(schema, column, address)) != wanted:
            raise InputError(f"column {column} of {address} is {found}, not {wanted}")


def _without_nulls(batch: RecordBatch, column: str, address: str) -> Array:
    array = batch.column(column)
    if array.null_count:
        raise InputError(f"column {column} of {address} has nulls")
    return array


def _bigints(batch: RecordBatch, columns: tuple[str, ...], address: str) -> Bigints:
    return tuple(_without_nulls(batch, column, address).to_numpy() for column in columns)


def _vectors(batch: RecordBatch, columns: tuple[str, ...], address: str, *, lists: bool) -> Floats:
    """Shape (dimensions, rows)."""
    arrays = [_without_nulls(batch, column, address) for column in columns]
    if lists:
        lengths = np.unique(np.diff(list_offsets(arrays[0]).to_numpy()))
        flat = list_flatten(arrays[0])
        if len(lengths) != 1 or flat.null_count:
            raise InputError(f"arrays of column {columns[0]} of {address} hold nulls or differ in length")
        vectors = np.ascontiguousarray(flat.to_numpy().reshape(batch.num_rows, int(lengths[0])).T)
    elif columns:
        vectors = np.stack([array.to_numpy() for array in arrays])
    else:
        return np.empty((0, batch.num_rows))
    if not np.isfinite(vectors).all():
        raise InputError(f"a value of {', '.join(columns[:3])} of {address} is not finite")
    return vectors


@contextmanager
def _decoding(address: str) -> Iterator[None]:
    """Convert arro3's two ways to report bad bytes, a plain Exception and a Rust panic, to InputError."""
    try:
        yield
    except BaseException as error:  # a Rust panic is not an Exception; all others pass on
        if type(error) is Exception or type(error).__module__ == "pyo3_runtime":
            reason = str(error).partition("\n")[0]
            raise InputError(f"{address} cannot be read as Parquet: {reason[:300]}") from error
        raise
