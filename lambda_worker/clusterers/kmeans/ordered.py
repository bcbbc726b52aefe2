"""Points in the order of their ids, from files in any order, through a scratch file for repeated passes."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from lambda_worker.contract import CapacityError, InputError
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.points import Batch, check_entities, rows_at_once
from lambda_worker.tables.reading import check_weights, read_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_worker.arrays import AnyInts, Floats, Ints


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
    weights: Ints
    vectors: Floats


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted estimator that labels points.

    Attributes:
        predict: From vectors, shape (points, dimensions), to clusters, shape (points,).
        places: Shape (places, dimensions): a point belongs to the cluster of the nearest of these.
        numbers: Shape (places,): the cluster of each place.
        iterations: Passes over the points it took.
        has_inertia: Whether place k is the centre of cluster k, and the inertia is the distance to it.
        subclusters: Leaves of a tree.
    """

    predict: Callable[[Floats], AnyInts]
    places: Floats
    numbers: AnyInts
    iterations: int = 1
    has_inertia: bool = False
    subclusters: int = 0


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
            InputError: Their vectors have another length.
            CapacityError: There are too many entities, or the disk has no room for all points.
        """
        if not self._width:
            self._width = len(batch.vectors) + 1
            _check_room(self.count * self._width * _BYTES)
        if len(batch.vectors) != self.dimensions:
            raise InputError(f"vectors of {len(batch.vectors)} dimensions, others of {self.dimensions}")
        check_entities(self.entities + float(batch.weights.sum(dtype=np.float64)))
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
        """Pass over the points once, in batches of this many rows, the last one smaller."""
        for first in range(0, self.count, rows):
            check_deadline()
            self._file.seek(first * self._width * _BYTES)
            bytes_read = self._file.read(min(rows, self.count - first) * self._width * _BYTES)
            block = np.frombuffer(bytes_read).reshape(-1, self._width)
            weights = np.ascontiguousarray(block.view(np.int64)[:, 0])
            yield Rows(first, weights, np.ascontiguousarray(block[:, 1:]))


@contextmanager
def order_points(
    addresses: tuple[str, ...], columns: tuple[str, ...], point_count: int
) -> Iterator[OrderedPoints]:
    """Put the points of some files in order; the scratch file is gone afterwards.

    Raises:
        InputError: A file is not of the contract, or the ids are not 0..point_count-1, each once.
        CapacityError: The disk has no room for all of them.
    """
    with tempfile.TemporaryFile(prefix="cluster-worker-") as file:
        points = OrderedPoints(file, point_count)
        rows = rows_at_once(columns)
        for address, (ids, weights), vectors in read_day(addresses, ("weight",), point_count, columns, rows):
            check_weights(ids, weights, address)
            points.add(Batch(ids, weights, vectors))
        yield points


def _check_room(needed: int) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if needed > free:
        raise CapacityError(
            f"the points take {needed / 2**20:,.0f} MiB of scratch disk, {free / 2**20:,.0f} MiB are free"
        )
