"""Points in the order of their ids, as often as asked, from files in any order: rows of a scratch file."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from lambda_worker.centroids.points import read_points
from lambda_worker.contract import CapacityError, InputError
from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.centroids.points import Batch

_BYTES = 8


@dataclass(frozen=True, slots=True)
class Rows:
    """Points one after the other.

    Attributes:
        first: Id of the first.
        weights: Shape (points,), int64.
        vectors: Shape (points, dimensions), float64, C order.
    """

    first: int
    weights: NDArray[np.int64]
    vectors: NDArray[np.float64]


class OrderedPoints:
    """All points of a day on disk, each as its weight and its vector.

    Attributes:
        count: Points.
        entities: Sum of the weights.
    """

    def __init__(self, file: IO[bytes], count: int) -> None:
        self.count = count
        self.entities = 0
        self._file = file
        self._width = 0

    @property
    def dimensions(self) -> int:
        """Of the vectors."""
        return self._width - 1

    def add(self, batch: Batch) -> None:
        """Take points in any order.

        Raises:
            CapacityError: The disk has no room for all of them.
        """
        if not self._width:
            self._width = len(batch.vectors) + 1
            _check_room(self.count * self._width * _BYTES)
        self.entities += int(batch.weights.sum())
        order = np.argsort(batch.ids, kind="stable")
        rows = np.empty((len(batch), self._width))
        rows[:, 1:] = batch.vectors.T
        rows.view(np.int64)[:, 0] = batch.weights
        rows, ids = rows[order], batch.ids[order]
        # One write for each run of ids that follow each other: in sorted files, one for all.
        for run in np.split(np.arange(len(ids)), np.flatnonzero(np.diff(ids) != 1) + 1):
            self._file.seek(int(ids[run[0]]) * self._width * _BYTES)
            self._file.write(rows[run[0] : run[-1] + 1].tobytes())

    def batches(self, rows: int) -> Iterator[Rows]:
        """One pass, so many rows at a time, fewer at the end."""
        for first in range(0, self.count, rows):
            check_deadline()
            self._file.seek(first * self._width * _BYTES)
            bytes_read = self._file.read(min(rows, self.count - first) * self._width * _BYTES)
            block = np.frombuffer(bytes_read).reshape(-1, self._width)
            weights = np.ascontiguousarray(block.view(np.int64)[:, 0])
            yield Rows(first, weights, np.ascontiguousarray(block[:, 1:]))


@contextmanager
def order_points(
    addresses: tuple[str, ...], columns: tuple[str, ...], point_count: int, batch_rows: int | None = None
) -> Iterator[OrderedPoints]:
    """Put the points of some files in order; the scratch file is gone afterwards.

    Raises:
        InputError: A file is not of the contract, or the ids are not 0..point_count-1, each once.
        CapacityError: The disk has no room for all of them.
    """
    seen = np.zeros(point_count, np.bool_)
    rows = 0
    with tempfile.TemporaryFile(prefix="cluster-worker-") as file:
        points = OrderedPoints(file, point_count)
        for batch in read_points(addresses, columns, batch_rows=batch_rows):
            if batch.ids.max() >= point_count:
                raise InputError(f"point id {batch.ids.max()} is not in 0..{point_count - 1}")
            seen[batch.ids] = True
            rows += len(batch)
            points.add(batch)
        if rows != point_count or not seen.all():
            raise InputError(
                f"the event promises {point_count} points, the files hold {rows}, "
                f"{int(np.count_nonzero(seen))} of them different"
            )
        yield points


def _check_room(needed: int) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise CapacityError(
            f"the points take {needed / 2**20:,.0f} MiB of scratch disk, {free / 2**20:,.0f} MiB are free"
        )
