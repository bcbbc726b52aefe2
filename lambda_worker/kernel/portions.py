"""Room for the pairs that a join lists, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lambda_worker.deadline import check_deadline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Listed = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

_PAIRS = 1 << 18  # at a time, 6 MiB
_WORK = 1 << 22  # tests between two looks at the clock


class Join(Protocol):
    """Lists pairs of rows as `listed_pairs` asks it to."""

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        ...

    def list_pairs(self, work: int, portions: Portions) -> int:
        """Fill the arrays from their beginning; stop after about `work` tests.

        Returns:
            The pairs listed; -1 where there is no room for those of one row.
        """
        ...


class Portions:
    """Arrays for pairs of rows and their distances.

    Attributes:
        capacity: Pairs they hold.
        arrays: First rows, second rows, distances.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.arrays: Listed = np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity)

    def first(self, count: int) -> Listed:
        """The pairs listed, until the next call."""
        one, other, distance = self.arrays
        return one[:count], other[:count], distance[:count]


def listed_pairs(join: Join, capacity: int = _PAIRS, work: int = _WORK) -> Iterator[Listed]:
    """All pairs of a join, some at a time; each portion lasts until the next is asked for.

    Args:
        join: Begins anew.
        capacity: Pairs at a time; more where one row alone has more.
        work: Tests between two looks at the clock.
    """
    portions = Portions(capacity)
    while not join.is_done:
        check_deadline()
        count = join.list_pairs(work, portions)
        if count < 0:
            portions = Portions(2 * portions.capacity)
        elif count:
            yield portions.first(count)
