"""Sets of numbered tokens in order of size, in the layout of the C functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.kernel.structs import Held, Join, c_struct
from lambda_worker.runtime.deadline import check_deadline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_worker.arrays import Bytes, Ints, Ints32
    from lambda_worker.kernel.library import Kernel

METRICS = {"jaccard": 0, "dice": 1, "overlap": 2, "cosine": 3}
"""As `set_join.c` numbers them."""

_ENTRY_NUMBERS = 3  # of 8 bytes
_FIRST_SLOTS = 1 << 16
_SLOT_NUMBERS = 2  # of 8 bytes


_Struct = c_struct(
    "SetJoin",
    """sets, metric, double threshold, double share, double ratio, is_all, *tokens, *starts, *sizes, *held,
    *marks, ranks, *lists, *entries, *seen, next, round, tested""",
)


class SetJoin(Join):
    """Lists near pairs of sets in portions; sets are identified by row.

    Attributes:
        foreseen: Estimated number of pairs to compare.
    """

    def __init__(
        self,
        kernel: Kernel,
        metric: tuple[str, float],
        bounds: tuple[float, float],
        sets: tuple[Ints32, Ints, Ints32],
        rank_of: Ints32,
    ) -> None:
        """Prepare the search.

        Args:
            kernel: The functions.
            metric: One of `METRICS`, and the largest distance that is near.
            bounds: `share` and `ratio` of sql/candidates/sets/candidates.sql, rounded down.
            sets: Token numbers end to end, which are overwritten; the start of each set; sizes, ascending.
            rank_of: Rank by token number; below 0 for a token that occurs in only one set.
        """
        name, threshold = metric
        tokens, starts, sizes = sets
        self.join = kernel.call.join_sets
        self._sets = len(sizes)
        ranks = int(rank_of.max(initial=-1)) + 1
        arrays: dict[str, NDArray[Any]] = {
            "tokens": tokens,
            "starts": np.ascontiguousarray(starts, np.int64),
            "sizes": np.ascontiguousarray(sizes, np.int32),
            "held": np.empty(self._sets, np.int32),
            "marks": np.empty(self._sets, np.uint64),
            "lists": np.zeros(ranks, np.int64),
            "seen": np.zeros(self._sets, np.int32),
        }
        super().__init__(
            _Struct,
            arrays,
            sets=self._sets,
            metric=METRICS[name],
            threshold=threshold,
            share=bounds[0],
            ratio=bounds[1],
            is_all=threshold >= 1,
            ranks=ranks,
        )
        kernel.call.rank_tokens(self.address, rank_of)
        tests = np.zeros(1, np.int64)
        entries = int(kernel.call.lay_out_index(self.address, tests))
        self.hold("entries", np.empty((entries, _ENTRY_NUMBERS), np.int64))
        self.foreseen = int(tests[0])

    @property
    def is_done(self) -> bool:
        """Whether there are no more pairs."""
        return self.number("next") >= self._sets


_Numbers = c_struct(
    "TokenNumbers", "tokens, *bytes, *starts, *numbers, *firsts, *slots, slot_count, next, distinct"
)


def number_tokens(kernel: Kernel, text: Bytes, starts: Ints) -> tuple[Ints32, int]:
    """Number tokens from 0 in order of first appearance; equal tokens get equal numbers.

    Args:
        kernel: The functions.
        text: Bytes of all tokens, end to end.
        starts: Shape (tokens + 1,): the start of each token, and the end.

    Returns:
        The numbers, shape (tokens,), and the number of distinct tokens.
    """
    count = len(starts) - 1
    arrays: dict[str, NDArray[Any]] = {
        "bytes": text,
        "starts": starts,
        "numbers": np.empty(count, np.int32),
        "firsts": np.empty(count, np.int32),
        "slots": np.zeros(_SLOT_NUMBERS * _FIRST_SLOTS, np.int64),
    }
    held = Held(_Numbers, arrays, tokens=count, slot_count=_FIRST_SLOTS)
    kernel.call.number_tokens(held.address)
    while held.number("next") < count:
        check_deadline()
        more = np.zeros(4 * _SLOT_NUMBERS * held.number("slot_count"), np.int64)
        kernel.call.move_slots(held.address, more, len(more) // _SLOT_NUMBERS)
        held.hold("slots", more)
        kernel.call.number_tokens(held.address)
    return arrays["numbers"], held.number("distinct")
