"""Writes tables as Parquet, for SQL engines and for the worker; equal rows give equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from lambda_worker.runtime.storage import written_whole
from lambda_worker.tables.labels import ROLES
from lambda_worker.tables.reading import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from lambda_worker.tables.labels import Labels

BIGINT, DOUBLE, VARCHAR = DataType.int64(), DataType.float64(), DataType.utf8()

PAIRS = ("point_a", "point_b")
WEIGHTED_PAIRS = ("point_a", "point_b", "distance")
MERGES = ("left", "right", "distance", "size")
TREE = ("parent", "child", "distance", "entities")


def write_table(address: str, columns: Mapping[str, NDArray[Any]]) -> int:
    """Write columns as zstd Parquet.

    Args:
        address: The file.
        columns: Arrays of shape (rows,) by name: float64 becomes DOUBLE, any integer type BIGINT.

    Returns:
        The size of the file in bytes.
    """
    types = {name: DOUBLE if column.dtype == np.float64 else BIGINT for name, column in columns.items()}
    return write_rows(address, types, [tuple(columns.values())], compression="zstd(3)")[1]


def write_columns(
    address: str, names: tuple[str, ...], blocks: Iterable[tuple[NDArray[Any], ...]]
) -> tuple[int, int]:
    """Write rows that come in blocks; ids are stored as differences, in a third of the space and the time.

    Args:
        address: The file.
        names: Names of the columns: `distance` is DOUBLE, the others BIGINT.
        blocks: One array per column, all of shape (rows,).

    Returns:
        The rows, and the size of the file in bytes.
    """
    return write_rows(
        address,
        {name: DOUBLE if name == "distance" else BIGINT for name in names},
        blocks,
        column_encoding={name: "delta_binary_packed" for name in names if name != "distance"},
        dictionary_enabled=False,
        compression="uncompressed",  # no gain: differences are packed, distances are noise
    )


def write_labels(address: str, labels: Labels) -> int:
    """Write `point_id, cluster, role` in point order, and `probability DOUBLE` where labels have one.

    Returns:
        The size of the file in bytes.
    """
    types = {"point_id": BIGINT, "cluster": BIGINT, "role": VARCHAR}
    if labels.probability is not None:
        types["probability"] = DOUBLE
    names = Array(list(ROLES), type=VARCHAR)

    def blocks() -> Iterator[tuple[Any, ...]]:
        for start in range(0, len(labels.cluster), BATCH_ROWS):
            rows = slice(start, start + BATCH_ROWS)
            cluster = labels.cluster[rows]
            roles = names.take(Array.from_numpy(labels.role[rows]))
            more = () if labels.probability is None else (labels.probability[rows],)
            yield np.arange(start, start + len(cluster)), cluster, roles, *more

    # Storing ids and clusters as differences takes two thirds of the time and bytes of a dictionary.
    return write_rows(
        address,
        types,
        blocks(),
        column_encoding=dict.fromkeys(("point_id", "cluster"), "delta_binary_packed"),
        column_dictionary_enabled={"point_id": False, "cluster": False, "role": True},
        compression="zstd(1)",
    )[1]


def write_rows(
    address: str, types: Mapping[str, DataType], blocks: Iterable[tuple[Any, ...]], **options: Any
) -> tuple[int, int]:
    """Write rows that come in blocks; an error of the blocks is raised unchanged.

    Args:
        address: The file.
        types: The columns; none of them has nulls.
        blocks: One array of numpy or arro3 per column, all of the same length.
        options: Of `arro3.io.write_parquet`.

    Returns:
        The rows, and the size of the file in bytes.
    """
    schema = Schema([Field(name, kind, nullable=False) for name, kind in types.items()])
    rows = 0
    failed: list[Exception] = []

    def batches() -> Iterator[RecordBatch]:
        nonlocal rows
        try:
            for columns in blocks:
                rows += len(columns[0])
                for start in range(0, len(columns[0]), BATCH_ROWS):
                    arrays = [_as_arrow(column, start) for column in columns]
                    yield RecordBatch.from_arrays(arrays, schema=schema)
        except Exception as error:
            failed.append(error)
            raise

    try:
        with written_whole(address) as path:
            reader = RecordBatchReader.from_batches(schema, batches())
            write_parquet(reader, path, skip_arrow_metadata=True, **options)
            return rows, path.stat().st_size
    except Exception:
        if failed:  # the writer has wrapped it in another error
            raise failed[0] from None
        raise


def _as_arrow(column: Any, start: int) -> Array:
    """A batch of a column from row `start` on."""
    if isinstance(column, Array):
        return column.slice(start, min(BATCH_ROWS, len(column) - start))
    part = column[start : start + BATCH_ROWS]
    return Array.from_numpy(part if part.dtype == np.float64 else part.astype(np.int64))
