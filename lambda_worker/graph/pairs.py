"""The candidate graph of a day: weighted points in memory, pairs streamed from files on every pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.contract.forests import KEPT_PAIRS, READS_AGAIN
from lambda_worker.graph.union_find import index_type
from lambda_worker.kernel import loaded
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.tables.reading import (
    check_ids,
    check_weights,
    read_bigints,
    read_day,
    read_features,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Bigints, Bools, Floats, Ints, Pairs, SignedInts, UnsignedInts
    from lambda_worker.contract import ClusterEvent


# Sums of weights are int64. Below this limit, which no real day reaches, no degree can overflow.
_MAX_ENTITIES = 2**62
_IDS = ("point_a", "point_b")


class CandidatePairs:
    """The near pairs (a, b), a < b, of some files, streamed in bounded batches on every pass.

    Attributes:
        point_count: Points of the day; ids are below it.
        count: Pairs in the files; None before the first complete pass.
    """

    def __init__(
        self, addresses: tuple[str, ...], point_count: int, part: tuple[int, int] = (0, 1), kept_rows: int = 0
    ) -> None:
        """Describe the files; reading starts with the first pass.

        Args:
            addresses: Candidates files.
            point_count: Points of the day.
            part: `(k, n)`: every n-th batch from the k-th on.
            kept_rows: Keep the ids in memory for the next pass if there are at most this many pairs.
        """
        self._kept = _KeptIds(kept_rows, index_type(point_count))
        self._addresses = addresses
        self._part = part
        self.point_count = point_count
        self.count: int | None = None

    def batches(self) -> Iterator[tuple[Ints, Ints]]:
        """Pass over all pairs once: ids a and b, shapes (pairs,).

        Raises:
            InputError: A pair is out of order or names no point, or the files changed since the last pass.
        """
        if self._kept.is_whole:
            yield from self._kept.batches()
            return
        self._kept.begin()
        for (low, high), _ in self._pass(()):
            self._kept.add(low, high)
            yield low, high
        self._kept.end()

    def weighted_batches(self) -> Iterator[Pairs]:
        """Pass over all pairs once: ids a and b and their distance, shapes (pairs,).

        Raises:
            InputError: As in `batches`, or a distance is not finite.
        """
        for (low, high), distance in self._pass(("distance",)):
            yield low, high, distance[0]

    def _pass(self, doubles: tuple[str, ...]) -> Iterator[tuple[Bigints, Floats]]:
        """Yield the checked batches of this part from all files."""
        kept, parts = self._part
        batches = count = 0
        for address in self._addresses:
            first_row = 0
            for ids, distance in read_features(address, _IDS, doubles):
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

    def _check(self, ids: Bigints, where: str, first_row: int) -> None:
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
    """The ids of one pass, kept if they are few."""

    def __init__(self, limit: int, ids: type[np.signedinteger]) -> None:
        self.is_whole = False
        self._limit = limit
        self._ids = ids
        self._rows = 0
        self._batches: list[SignedInts] = []

    def begin(self) -> None:
        self._rows, self._batches = 0, []

    def add(self, low: Ints, high: Ints) -> None:
        self._rows += len(low)
        if self._rows > self._limit:
            self._batches = []
        else:
            self._batches.append(np.stack([low, high]).astype(self._ids))

    def end(self) -> None:
        self.is_whole = self._rows <= self._limit

    def batches(self) -> Iterator[tuple[Ints, Ints]]:
        for batch in self._batches:
            check_deadline()
            low, high = batch.astype(np.int64)
            yield low, high


class CandidateGraph:
    """Points with weights, and the near pairs between them, each pair once.

    Memory is one small integer per point plus one batch of pairs, or `KEPT_PAIRS` if an algorithm reads them
    again; it does not grow with the number of pairs.

    Attributes:
        weights: Shape (points,), unsigned: entities with the feature value of each point.
        known_core: Shape (points,), bool: the core points, when the candidates are a certificate; else None.
        pairs: The near pairs.
    """

    def __init__(self, event: ClusterEvent) -> None:
        kept = KEPT_PAIRS if event.algorithm.get("type") in READS_AGAIN else 0
        self.pairs = CandidatePairs(event.candidates, event.point_count, kept_rows=kept)
        self.weights = read_weights(event.points, event.point_count)
        self.known_core = None if event.cores is None else read_cores(event.cores, self.point_count)

    @property
    def point_count(self) -> int:
        """Number of points."""
        return len(self.weights)


def read_weights(addresses: tuple[str, ...], point_count: int) -> UnsignedInts:
    """Read the weight of every point, in the smallest unsigned type that holds them all.

    Args:
        addresses: Files with `point_id` and `weight`, rows in any order.
        point_count: Points promised; their ids must be 0..point_count-1.

    Returns:
        Shape (point_count,), indexed by point id.

    Raises:
        InputError: Ids are not dense, the number of rows differs, or a weight is below 1.
    """
    weights: UnsignedInts = np.zeros(point_count, np.uint8)
    for address, (ids, batch), _ in read_day(addresses, ("weight",), point_count):
        check_weights(ids, batch, address)
        heaviest = int(batch.max())
        if heaviest > np.iinfo(weights.dtype).max:
            weights = weights.astype(np.min_scalar_type(heaviest))
        weights[ids] = batch
    if float(weights.sum(dtype=np.float64)) > _MAX_ENTITIES:
        raise InputError(f"the weights of {', '.join(addresses)} add up to more than {_MAX_ENTITIES}")
    return weights


def read_cores(addresses: tuple[str, ...], point_count: int) -> Bools:
    """Read which points are core; shape (point_count,).

    Raises:
        InputError: An id names no point.
    """
    core = np.zeros(point_count, np.bool_)
    for address in addresses:
        for (ids,) in read_bigints(address, ("point_id",)):
            check_ids(ids, point_count, address)
            core[ids] = True
    return core
