"""All near pairs of the sets of a day, by the kernel or its Python fallback."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from lambda_worker.kernel import loaded
from lambda_worker.kernel.token_sets import SetJoin, number_tokens
from lambda_worker.metrics.pairwise import SET_DISTANCES
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_worker.arrays import Ints32, Pairs
    from lambda_worker.tables.lists import TokenSets

_SLACK = 1 - 2.0**-40
_ROUNDING = 2.0**-49


class SetSearch:
    """The near pairs of some sets.

    Attributes:
        tested: Pairs compared so far.
    """

    def __init__(self, sets: TokenSets, metric: str, threshold: float) -> None:
        """Prepare the search.

        Args:
            sets: The sets to compare; tokens of a set are distinct.
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
        """Estimate the pairs to compare; 0 without the kernel."""
        del most  # counting takes no time
        return self._join.foreseen if self._join is not None else 0

    def pairs(self) -> Iterator[Pairs]:
        """Yield ids and distances in blocks, each of shape (pairs,). It can be iterated only once."""
        listed = self._by_hand() if self._join is None else self._join.pairs()
        for one, other, distance in listed:
            yield self._ids.take(one), self._ids.take(other), distance.copy()
        if self._join is not None:
            self.tested = self._join.tested

    def _by_hand(self) -> Iterator[Pairs]:
        """The algorithm of the kernel, with fewer filters."""
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
            distance = SET_DISTANCES[self._metric](
                self._sizes.take(found).astype(np.float64), float(size), common
            )
            near = distance <= self._threshold
            yield found[near], np.full(int(near.sum()), row), distance[near]
            least = math.ceil(share * _reach(self._metric, size))
            for rank in ranks[: size + 1 - max(1, least)].tolist():
                index[rank].append(row)

    def _of(self, row: int) -> Ints32:
        start = int(self._starts[row])
        return self._ranks[start : start + int(self._sizes[row])]


def bounds_of(metric: str, threshold: float) -> tuple[float, float]:
    """Return lower bounds for the common tokens of near sets, proved in sql/candidates/sets/candidates.sql.

    Returns:
        Minimum of common tokens per unit of f(size, size), and per token of the larger set; rounded down.
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
    """Return f(size, size) of that proof."""
    return 2 * size if metric in ("jaccard", "dice") else size


def _numbers(sets: TokenSets) -> tuple[Ints32, int]:
    known: dict[bytes, int] = {}
    text, bounds = sets.text.tobytes(), sets.bounds.tolist()
    numbers = np.array(
        [known.setdefault(text[bounds[k] : bounds[k + 1]], len(known)) for k in range(len(bounds) - 1)],
        np.int32,
    )
    return numbers, len(known)


def _ranks(numbers: Ints32, distinct: int) -> Ints32:
    """Return the positions of the tokens in the order from rare to frequent."""
    order = np.argsort(np.bincount(numbers, minlength=distinct), kind="stable")
    rank = np.empty(distinct, np.int32)
    rank[order] = np.arange(distinct, dtype=np.int32)
    return rank.take(numbers)


def _rank_of(numbers: Ints32, distinct: int) -> Ints32:
    """Return the same by token number, -1 for tokens that occur in one set only."""
    frequency = np.bincount(numbers, minlength=distinct)
    shared = np.flatnonzero(frequency > 1)
    rank = np.full(distinct, -1, np.int32)
    rank[shared[np.argsort(frequency.take(shared), kind="stable")]] = np.arange(len(shared), dtype=np.int32)
    return rank
