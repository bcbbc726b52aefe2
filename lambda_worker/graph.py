"""The candidate graph of a day: weighted points in memory, pairs streamed from files as often as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.contract.forests import KEPT_PAIRS, READS_AGAIN
from lambda_worker.deadline import check_deadline
from lambda_worker.kernel import loaded
from lambda_worker.parquet_io import BATCH_ROWS, read_bigints, read_features
from lambda_worker.union_find import index_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from lambda_worker.contract import ClusterEvent

    _Batch = tuple[tuple[NDArray[np.int64], ...], NDArray[np.float64]]

# Sums of weights are int64; below this no degree can overflow, and no real day comes near it.
_MAX_ENTITIES = 2**62
_IDS = ("point_a", "point_b")
_NO_DISTANCE = np.empty((0, 0))


class CandidatePairs:
    """The near pairs (a, b), a < b, of some files, streamed in bounded batches as often as asked.

    Attributes:
        point_count: Points of the day; ids are below it.
        count: Pairs in the files; None before the first complete pass.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        point_count: int,
        batch_rows: int = BATCH_ROWS,
        part: tuple[int, int] = (0, 1),
        kept_rows: int = 0,
    ) -> None:
        """Nothing is read yet.

        Args:
            addresses: Candidates files.
            point_count: Points of the day.
            batch_rows: Upper bound of the rows in memory at once.
            part: `(k, n)`: every n-th batch from the k-th on.
            kept_rows: Ids of at most so many pairs wait in memory for the next pass; of more pairs, none.
        """
        self._kept = _KeptIds(kept_rows, index_type(point_count))
        self._addresses = addresses
        self._batch_rows = batch_rows
        self._part = part
        self.point_count = point_count
        self.count: int | None = None

    def batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """One pass over all pairs: ids a and b, shapes (pairs,).

        Raises:
            InputError: A pair is out of order or names no point, or the files changed since the last pass.
        """
        if self._kept.is_whole:
            yield from self._kept.batches()
            return
        self._kept.begin()
        for (low, high), _ in self._pass(self._ids):
            self._kept.add(low, high)
            yield low, high
        self._kept.end()

    def weighted_batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]:
        """One pass over all pairs: ids a and b and their distance, shapes (pairs,).

        Raises:
            InputError: As `batches`, or a distance is not finite.
        """
        for (low, high), distance in self._pass(self._weighted):
            yield low, high, distance[0]

    def _ids(self, address: str) -> Iterator[_Batch]:
        for ids in read_bigints(address, _IDS, self._batch_rows):
            yield ids, _NO_DISTANCE

    def _weighted(self, address: str) -> Iterator[_Batch]:
        return read_features(address, _IDS, ("distance",), self._batch_rows)

    def _pass(self, read: Callable[[str], Iterator[_Batch]]) -> Iterator[_Batch]:
        """The batches of this part, checked, from all files."""
        kept, parts = self._part
        batches = count = 0
        for address in self._addresses:
            first_row = 0
            for ids, distance in read(address):
                if batches % parts == kept:
                    self._check(ids, f"{address}, row", first_row)
                    count += len(ids[0])
                    yield ids, distance
                batches += 1
                first_row += len(ids[0])
        self._end_pass(count)

    def _end_pass(self, count: int) -> None:
        if self.count not in (None, count):
            raise InputError(f"the candidates changed while they were read: {self.count} pairs, then {count}")
        self.count = count

    def _check(self, ids: tuple[NDArray[np.int64], ...], where: str, first_row: int) -> None:
        low, high = ids
        kernel = loaded()
        if kernel is not None and kernel.bad_pair(low, high, self.point_count) is None:
            return
        if low.min() >= 0 and high.max() < self.point_count and bool((low < high).all()):
            return
        row = int(np.argmax((low < 0) | (high >= self.point_count) | (low >= high)))
        raise InputError(
            f"{where} {first_row + row}: ({low[row]}, {high[row]}) is no pair a < b "
            f"of the {self.point_count} points"
        )


class _KeptIds:
    """The ids of one pass, where they are few."""

    def __init__(self, limit: int, ids: type[np.signedinteger]) -> None:
        self.is_whole = False
        self._limit = limit
        self._ids = ids
        self._rows = 0
        self._batches: list[NDArray[np.signedinteger]] = []

    def begin(self) -> None:
        self._rows, self._batches = 0, []

    def add(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> None:
        self._rows += len(low)
        if self._rows > self._limit:
            self._batches = []
        else:
            self._batches.append(np.stack([low, high]).astype(self._ids))

    def end(self) -> None:
        self.is_whole = self._rows <= self._limit

    def batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        for batch in self._batches:
            check_deadline()
            low, high = batch.astype(np.int64)
            yield low, high


class CandidateGraph:
    """Points with weights, and the near pairs between them, each pair once.

    Memory is one small integer per point plus one batch of pairs, or `KEPT_PAIRS` where an algorithm reads
    them again, however many pairs there are.

    Attributes:
        weights: Shape (points,), unsigned: entities with the feature value of each point.
        known_core: Shape (points,), bool: the core points, when the candidates are a certificate; else None.
        pairs: The near pairs.
    """

    def __init__(self, event: ClusterEvent, batch_rows: int = BATCH_ROWS) -> None:
        kept = KEPT_PAIRS if event.algorithm.get("type") in READS_AGAIN else 0
        self.pairs = CandidatePairs(event.candidates, event.point_count, batch_rows, kept_rows=kept)
        self.weights = read_weights(event.points, event.point_count, batch_rows)
        self.known_core = None if event.cores is None else read_cores(event.cores, self.point_count)

    @property
    def point_count(self) -> int:
        """Number of points."""
        return len(self.weights)

    @property
    def pair_count(self) -> int | None:
        """Pairs in the files; None before the first complete pass."""
        return self.pairs.count


def read_weights(
    addresses: tuple[str, ...], point_count: int, batch_rows: int = BATCH_ROWS
) -> NDArray[np.unsignedinteger]:
    """Read the weight of every point, in the smallest unsigned type that holds them all.

    Args:
        addresses: Files with `point_id` and `weight`, rows in any order.
        point_count: Points promised; their ids must be 0..point_count-1.
        batch_rows: Rows in memory at once.

    Returns:
        Shape (point_count,), indexed by point id.

    Raises:
        InputError: Ids are not dense, another number of rows came, or a weight is below 1.
    """
    weights: NDArray[np.unsignedinteger] = np.zeros(point_count, np.uint8)
    rows = 0
    for address in addresses:
        for ids, batch in read_bigints(address, ("point_id", "weight"), batch_rows):
            _check_points(ids, batch, point_count, address)
            heaviest = int(batch.max())
            if heaviest > np.iinfo(weights.dtype).max:
                weights = weights.astype(np.min_scalar_type(heaviest))
            weights[ids] = batch
            rows += len(ids)
    if rows != point_count:
        raise InputError(f"the event promises {point_count} points, the files hold {rows}")
    # Every weight is at least 1, so a zero is an id that never came (and another came twice).
    if point_count and not weights.all():
        raise InputError(
            f"point ids are not dense: {int(np.argmin(weights))} is missing, another comes twice"
        )
    if float(weights.sum(dtype=np.float64)) > _MAX_ENTITIES:
        raise InputError(f"the weights of {', '.join(addresses)} add up to more than {_MAX_ENTITIES}")
    return weights


def read_cores(addresses: tuple[str, ...], point_count: int) -> NDArray[np.bool_]:
    """Read which points are core; shape (point_count,).

    Raises:
        InputError: An id names no point.
    """
    core = np.zeros(point_count, np.bool_)
    for address in addresses:
        for (ids,) in read_bigints(address, ("point_id",)):
            if ids.min() < 0 or ids.max() >= point_count:
                stray = ids[(ids < 0) | (ids >= point_count)][0]
                raise InputError(f"{address}: core {stray} is not in 0..{point_count - 1}")
            core[ids] = True
    return core


def _check_points(ids: NDArray[np.int64], weights: NDArray[np.int64], point_count: int, address: str) -> None:
    if ids.min() < 0 or ids.max() >= point_count:
        stray = ids[(ids < 0) | (ids >= point_count)][0]
        raise InputError(f"{address}: point id {stray} is not in 0..{point_count - 1}")
    if weights.min() < 1:
        at = int(np.argmin(weights))
        raise InputError(
            f"{address}: point {ids[at]} has weight {weights[at]}; a point has at least one entity"
        )
