"""The climbs of a bin: points in, peaks out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from arro3.core import Array, DataType, Field, list_array

from lambda_worker.clusterers.components.mean_shift import Peaks, climb, join_peaks
from lambda_worker.contract import InputError
from lambda_worker.contract.components import ClimbReply
from lambda_worker.tables.features import read_points
from lambda_worker.tables.members import MEMBER_COLUMNS, sort_members
from lambda_worker.tables.reading import read_features
from lambda_worker.tables.writing import BIGINT, DOUBLE, write_rows

if TYPE_CHECKING:
    from lambda_worker.contract.components import ClimbEvent

_CENTRE = DataType.list(Field("item", DOUBLE, nullable=False))
_PEAKS = {"seed": BIGINT, "intensity": BIGINT, "centre": _CENTRE}


def climb_bin(event: ClimbEvent) -> ClimbReply:
    """Write the peaks of the components of a bin.

    Rows and bytes do not depend on the order of rows and files.
    """
    columns, features = read_points(event.points, MEMBER_COLUMNS, "vector", event.columns)
    land = sort_members(columns, features, event.point_count)
    peaks, steps = climb(land, event.threshold / 2)
    return ClimbReply(ok=True, rows=len(peaks), bytes=write_peaks(event.output, peaks), steps=steps)


def write_peaks(address: str, peaks: Peaks) -> int:
    """Write peaks and return the size of the file in bytes."""
    offsets = np.arange(len(peaks) + 1, dtype=np.int32) * np.int32(peaks.centre.shape[1])
    values = Array.from_numpy(np.ascontiguousarray(peaks.centre).ravel())
    centres = list_array(Array.from_numpy(offsets), values).cast(_PEAKS["centre"])
    blocks = [(peaks.seed, peaks.intensity, centres)]
    return write_rows(address, _PEAKS, blocks, compression="zstd(1)", dictionary_enabled=False)[1]


def read_peaks(addresses: tuple[str, ...]) -> Peaks:
    """The peaks of some files, one for each place.

    Raises:
        InputError: A file does not hold peaks, or others than the files before have dimensions.
    """
    parts: list[Peaks] = []
    for address in addresses:
        for (seed, intensity), centre in read_features(address, ("seed", "intensity"), ("centre",)):
            if parts and len(centre) != parts[0].centre.shape[1]:
                raise InputError(f"{address} holds peaks of {len(centre)} dimensions, unlike {addresses[0]}")
            parts.append(Peaks(seed, intensity, centre.T))
    return join_peaks(parts, parts[0].centre.shape[1] if parts else 1)
