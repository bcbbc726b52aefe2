"""Near sets: tokens in the order from rare to frequent, and postings of the prefixes of all sets.

By (1) and (4) of the proof in sql/candidates/sets/candidates.sql, near sets have at least
max(1, ratio * size) tokens in common, for the size of either. So their first common token lies within the
first size + 1 - max(1, ceil(ratio * size)) tokens of both. Tokens that no point has come first in an item and
meet no posting. A posting also holds size and signature of its set: 64 bits, each for every 64th token. The
bits in which two signatures differ are at most the tokens in which the sets differ, a + b - 2 o, and (2)
bounds o.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.metrics.pairwise import SET_DISTANCES
from lambda_worker.pairs.sets import bounds_of
from lambda_worker.serving.structures.near import Near

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Indices, Ints
    from lambda_worker.tables.features import Codes

_TOGETHER = 1 << 16  # sets at a time, so that an answer takes bounded memory
_BITS = np.uint64(64)
_SLACK = 1e-6  # above the rounding of the few sums and products of sizes below 2^31


def build_sets(codes: Codes, metric: str, threshold: float) -> dict[str, NDArray[Any]]:
    """Return the arrays of `Sets`.

    Args:
        codes: The tokens of each point, at least one each.
        metric: A metric of sets.
        threshold: Points at most this far apart are near.
    """
    sizes = codes.lengths
    frequency = np.bincount(codes.values)
    rank_of = np.empty(len(frequency), np.int32)
    rank_of[np.argsort(frequency, kind="stable")] = np.arange(len(frequency), dtype=np.int32)
    rows = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    ranks = rank_of.take(codes.values)
    ranks = ranks.take(np.lexsort((ranks, rows)))
    _, ratio = bounds_of(metric, threshold)
    prefix = sizes + 1 - np.maximum(1, np.ceil(ratio * sizes)).astype(np.int64)
    position = np.arange(len(ranks)) - np.repeat(codes.offsets[:-1], sizes)
    kept = np.flatnonzero(position < np.repeat(prefix, sizes))
    kept = kept.take(np.argsort(ranks.take(kept), kind="stable"))
    bits = np.uint64(1) << (ranks.astype(np.uint64) % _BITS)
    signatures = np.bitwise_or.reduceat(bits, codes.offsets[:-1])
    owners = rows.take(kept)
    return {
        "set_ranks": ranks,
        "set_offsets": codes.offsets,
        "set_rank_of": rank_of,
        "posting_ids": owners.astype(np.int32),
        "posting_starts": np.searchsorted(ranks.take(kept), np.arange(len(frequency) + 1)).astype(np.int64),
        "posting_sizes": sizes.take(owners).astype(np.int32),
        "posting_signatures": signatures.take(owners),
    }


class Sets:
    """Sets of tokens.

    Args:
        arrays: As `build_sets` returns them.
        metric: A metric of sets.
        threshold: Points at most this far apart are near.
        code_of: Returns the code of a token, None if no point has it.
    """

    def __init__(
        self,
        arrays: Mapping[str, NDArray[Any]],
        metric: str,
        threshold: float,
        code_of: Callable[[str], int | None],
    ) -> None:
        self._arrays = arrays
        self._ranks, self._offsets = arrays["set_ranks"], arrays["set_offsets"]
        self._ids, self._starts = arrays["posting_ids"], arrays["posting_starts"]
        self._metric, self._threshold = metric, threshold
        self._share, self._ratio = bounds_of(metric, threshold)
        self._code_of = code_of

    def near(self, query: Sequence[str]) -> Near:
        """Return the sets within the threshold of a set of distinct tokens."""
        codes = [code for code in map(self._code_of, query) if code is not None]
        known = np.sort(self._arrays["set_rank_of"].take(np.array(codes, np.int64)))
        ids = self._candidates(known, len(query))
        if not len(ids):
            return Near.nothing()
        some = (ids[start : start + _TOGETHER] for start in range(0, len(ids), _TOGETHER))
        counted = [self._common(part, known) for part in some]
        sizes, common = (np.concatenate(column) for column in zip(*counted, strict=True))
        distances = SET_DISTANCES[self._metric](float(len(query)), sizes, common)
        is_near = np.flatnonzero(distances <= self._threshold)
        return Near(ids.take(is_near), distances.take(is_near))

    def _candidates(self, known: NDArray[np.int32], size: int) -> Ints:
        if self._threshold >= 1:  # sets without a common token are near too
            return np.arange(len(self._offsets) - 1)
        unknown = size - len(known)
        prefix = size + 1 - max(1, math.ceil(self._ratio * size)) - unknown
        signature = np.uint64(0)
        for rank in known.tolist():
            signature |= np.uint64(1) << np.uint64(rank % 64)
        parts = [
            self._passing(
                slice(int(self._starts[rank]), int(self._starts[rank + 1])), signature, size, unknown
            )
            for rank in known[: max(0, prefix)].tolist()
        ]
        return np.unique(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, np.int64)

    def _passing(self, postings: slice, signature: np.uint64, size: int, unknown: int) -> NDArray[np.int32]:
        """Return the sets of some postings that their sizes and signatures do not rule out."""
        sizes = self._arrays["posting_sizes"][postings]
        differing = np.bitwise_count(self._arrays["posting_signatures"][postings] ^ signature)
        least = self._share * _reach(self._metric, size, sizes)
        passing = differing + unknown <= size + sizes - 2 * least + _SLACK
        passing &= (sizes >= self._ratio * size) & (sizes * self._ratio <= size)
        found: NDArray[np.int32] = self._ids[postings][passing]
        return found

    def _common(self, ids: Indices, known: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """Return sizes of some sets, and how many tokens each has in common with the item."""
        starts = self._offsets.take(ids)
        sizes = self._offsets.take(ids + 1) - starts
        ends = np.cumsum(sizes)
        at = np.arange(int(ends[-1])) + np.repeat(starts - (ends - sizes), sizes)
        is_own = np.zeros(len(self._arrays["set_rank_of"]), np.bool_)
        is_own[known] = True
        shared = is_own.take(self._ranks.take(at))
        common = np.add.reduceat(shared, ends - sizes, dtype=np.int64)
        return sizes.astype(np.float64), common.astype(np.float64)


def _reach(metric: str, size: int, sizes: NDArray[np.int32]) -> NDArray[Any]:
    """Return f(a, b) of the proof."""
    if metric == "overlap":
        return np.minimum(np.int32(size), sizes)
    return np.sqrt(float(size) * sizes) if metric == "cosine" else np.add(size, sizes)
