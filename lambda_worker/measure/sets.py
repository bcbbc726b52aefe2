"""All near pairs of the sets of a day: by the kernel, or by its twin in Python."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.deadline import check_deadline
from lambda_worker.kernel import loaded
from lambda_worker.kernel.portions import listed_pairs
from lambda_worker.kernel.token_sets import SetJoin
from lambda_worker.kernel.tokens import number_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lambda_worker.kernel.portions import Listed
    from lambda_worker.measure.lists import TokenSets

_SLACK = 1 - 2.0**-40
_ROUNDING = 2.0**-49


class SetSearch:
    """The near pairs of some sets.

    Attributes:
        tested: Pairs that were looked at so far.
    """

    def __init__(self, sets: TokenSets, metric: str, threshold: float) -> None:
        """Nothing is compared yet.

        Args:
            sets: What is compared; tokens of a set are distinct.
            metric: `jaccard`, `dice`, `overlap` or `cosine`.
            threshold: Pairs at most this far apart are near.
        """
        self.tested = 0
        order = np.argsort(sets.sizes, kind="stable")
        self._ids = sets.ids.take(order)
        self._starts, self._sizes = sets.starts.take(order), sets.sizes.take(order)
        self._metric, self._threshold = metric, threshold
        self._bounds = bounds_of(metric, threshold)
        kernel = loaded()
        self._join: SetJoin | None = None
        if kernel is None:
            self._ranks = _ranks(*_numbers(sets))
        else:
            numbers, distinct = number_tokens(kernel, sets.text, sets.bounds)
            held = (numbers, self._starts, self._sizes.astype(np.int32))
            rank_of = _rank_of(numbers, distinct)
            self._join = SetJoin(kernel, (metric, threshold), self._bounds, held, rank_of)

    def count_tests(self, most: int) -> int:
        """About the pairs that will be looked at; without the kernel not known: 0."""
        del most  # counting takes no time
        return self._join.foreseen if self._join is not None else 0

    def pairs(self) -> Iterator[Listed]:
        """Ids and distances, some pairs at a time; each shape (pairs,). Can be walked once."""
        listed = self._by_hand() if self._join is None else listed_pairs(self._join)
        for one, other, distance in listed:
            yield self._ids.take(one), self._ids.take(other), distance.copy()
        if self._join is not None:
            self.tested = self._join.tested

    def _by_hand(self) -> Iterator[Listed]:
        """As the kernel does it, with fewer filters."""
        index: defaultdict[int, list[int]] = defaultdict(list)
        is_shared = np.zeros(int(self._ranks.max(initial=0)) + 1, np.bool_)
        share, ratio = self._bounds
        for row, size in enumerate(self._sizes.tolist()):
            check_deadline()
            start = int(self._starts[row])
            ranks = np.sort(self._ranks[start : start + size])
            if self._threshold >= 1:
                found = np.arange(row)
            else:
                asked = ranks[: size + 1 - max(1, math.ceil(ratio * size))]
                found = np.unique([other for rank in asked.tolist() for other in index[rank]]).astype(np.intp)
            is_shared[ranks] = True
            common = np.array(
                [np.count_nonzero(is_shared[self._of(other)]) for other in found.tolist()], np.float64
            )
            is_shared[ranks] = False
            self.tested += len(found)
            distance = _distances(
                self._metric, self._sizes.take(found).astype(np.float64), float(size), common
            )
            near = distance <= self._threshold
            yield found[near], np.full(int(near.sum()), row), distance[near]
            least = math.ceil(share * _reach(self._metric, size))
            for rank in ranks[: size + 1 - max(1, least)].tolist():
                index[rank].append(row)

    def _of(self, row: int) -> NDArray[np.int32]:
        start = int(self._starts[row])
        return self._ranks[start : start + int(self._sizes[row])]


def bounds_of(metric: str, threshold: float) -> tuple[float, float]:
    """Common tokens of near sets, as sql/candidates/sets.sql tells and proves: both are rounded down.

    Returns:
        Common tokens per unit of f(size, size), and per token of the larger set, at least.
    """
    similar = max(0.0, 1.0 - threshold - _ROUNDING) * _SLACK
    share, ratio = {
        "jaccard": (similar / (1 + similar), similar),
        "dice": (similar / 2, similar / (2 - similar)),
        "overlap": (similar, 0.0),
        "cosine": (similar, similar * similar),
    }[metric]
    return share * _SLACK, ratio * _SLACK


def _reach(metric: str, size: int) -> int:
    """f(size, size) there."""
    return 2 * size if metric in ("jaccard", "dice") else size


def _distances(
    metric: str, smaller: NDArray[np.float64], larger: float, common: NDArray[np.float64]
) -> NDArray[np.float64]:
    """As in sql/candidates/sets.sql: whole numbers are exact in doubles."""
    if metric == "jaccard":
        return (smaller + larger - 2 * common) / (smaller + larger - common)
    if metric == "dice":
        return (smaller + larger - 2 * common) / (smaller + larger)
    if metric == "overlap":
        return (smaller - common) / smaller
    return 1.0 - common / np.sqrt(smaller * larger)


def _numbers(sets: TokenSets) -> tuple[NDArray[np.int32], int]:
    known: dict[bytes, int] = {}
    text, bounds = sets.text.tobytes(), sets.bounds.tolist()
    numbers = np.array(
        [known.setdefault(text[bounds[k] : bounds[k + 1]], len(known)) for k in range(len(bounds) - 1)],
        np.int32,
    )
    return numbers, len(known)


def _ranks(numbers: NDArray[np.int32], distinct: int) -> NDArray[np.int32]:
    """Places of the tokens in the order from rare to frequent."""
    order = np.argsort(np.bincount(numbers, minlength=distinct), kind="stable")
    rank = np.empty(distinct, np.int32)
    rank[order] = np.arange(distinct, dtype=np.int32)
    return rank.take(numbers)


def _rank_of(numbers: NDArray[np.int32], distinct: int) -> NDArray[np.int32]:
    """The same by number, -1 for tokens of one set only."""
    frequency = np.bincount(numbers, minlength=distinct)
    shared = np.flatnonzero(frequency > 1)
    rank = np.full(distinct, -1, np.int32)
    rank[shared[np.argsort(frequency.take(shared), kind="stable")]] = np.arange(len(shared), dtype=np.int32)
    return rank
