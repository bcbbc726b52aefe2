"""The climbs of a bin: points in, peaks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema, list_array
from arro3.io import write_parquet

from lambda_worker.components.features import read_points
from lambda_worker.components.mean_shift import Landscape, Peaks, climb, join_peaks
from lambda_worker.contract import InputError
from lambda_worker.contract.mean_shift import ClimbReply
from lambda_worker.parquet_io import BATCH_ROWS, read_features
from lambda_worker.storage import written_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.contract.mean_shift import ClimbEvent

_NUMBERS = ("point_id", "weight", "component")
_PEAKS = Schema(
    [
        Field("seed", DataType.int64(), nullable=False),
        Field("intensity", DataType.int64(), nullable=False),
        Field("centre", DataType.list(Field("item", DataType.float64(), nullable=False)), nullable=False),
    ]
)


def climb_bin(event: ClimbEvent, batch_rows: int = BATCH_ROWS) -> ClimbReply:
    """Write the peaks of the components of a bin.

    Rows and bytes depend neither on `batch_rows` nor on the order of rows and files.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    peaks, steps = climb(read_landscape(event, batch_rows), event.threshold / 2)
    return ClimbReply(ok=True, rows=len(peaks), bytes=write_peaks(event.output, peaks), steps=steps)


def read_landscape(event: ClimbEvent, batch_rows: int = BATCH_ROWS) -> Landscape:
    """The points of a bin.

    Raises:
        InputError: A file is not of the contract, a point comes twice, or another number of points came.
    """
    (ids, weights, components), features = read_points(
        event.points, _NUMBERS, "vector", event.columns, batch_rows
    )
    if len(ids) != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {len(ids)}")
    order = np.argsort(ids)
    ids, weights = ids.take(order), weights.take(order)
    twice = ids[1:] == ids[:-1]
    if twice.any():
        raise InputError(f"point {ids[int(np.argmax(twice))]} comes twice")
    if len(ids) and int(weights.min()) < 1:
        raise InputError(f"point {ids[int(np.argmin(weights))]} has a weight below 1")
    return Landscape(ids, weights, components.take(order), features.vectors.take(order, axis=0))


def write_peaks(address: str, peaks: Peaks) -> int:
    """Write peaks as zstd Parquet; equal peaks give equal bytes.

    Returns:
        The size of the file in bytes.
    """
    with written_whole(address) as path:
        reader = RecordBatchReader.from_batches(_PEAKS, _batches(peaks))
        write_parquet(reader, path, compression="zstd(1)", dictionary_enabled=False, skip_arrow_metadata=True)
        return path.stat().st_size


def read_peaks(addresses: tuple[str, ...], batch_rows: int = BATCH_ROWS) -> Peaks:
    """The peaks of some files, one for each place.

    Raises:
        InputError: A file does not hold peaks, or others than the files before have dimensions.
    """
    parts: list[Peaks] = []
    for address in addresses:
        for (seed, intensity), centre in read_features(
            address, ("seed", "intensity"), ("centre",), batch_rows
        ):
            if parts and len(centre) != parts[0].centre.shape[1]:
                raise InputError(f"{address} holds peaks of {len(centre)} dimensions, unlike {addresses[0]}")
            parts.append(Peaks(seed, intensity, centre.T))
    return join_peaks(parts, parts[0].centre.shape[1] if parts else 1)


def _batches(peaks: Peaks) -> Iterator[RecordBatch]:
    dimensions = peaks.centre.shape[1]
    for start in range(0, len(peaks), BATCH_ROWS):
        part = slice(start, start + BATCH_ROWS)
        centre = peaks.centre[part]
        offsets = np.arange(len(centre) + 1, dtype=np.int32) * np.int32(dimensions)
        lists = list_array(Array.from_numpy(offsets), Array.from_numpy(np.ascontiguousarray(centre).ravel()))
        columns = [
            Array.from_numpy(peaks.seed[part]),
            Array.from_numpy(peaks.intensity[part]),
            lists.cast(_PEAKS.field("centre").type),
        ]
        yield RecordBatch.from_arrays(columns, schema=_PEAKS)
