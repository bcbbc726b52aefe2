"""Stateless random numbers: every draw is a pure function of the seed and the name of the draw.

An address therefore keeps its place from day to day, and each day can be generated independently.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Index = int | NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Lots:
    """Draws of one seed, by the SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014) used as a hash.

    The name of a draw consists of its purpose and of integers or broadcastable arrays of integers; equal
    names give equal draws. A result has the broadcast shape and is at least one-dimensional.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def bits(self, purpose: str, *indices: Index) -> NDArray[np.uint64]:
        """Return 64 uniform bits for each combination of indices."""
        digest = hashlib.blake2b(f"{self._seed}/{purpose}".encode(), digest_size=8).digest()
        state = np.array([int.from_bytes(digest, "little")], dtype=np.uint64)
        for index in indices:
            state = _mix(state + (np.atleast_1d(index).astype(np.uint64) + np.uint64(1)) * _STEP)
        return state

    def unit(self, purpose: str, *indices: Index) -> NDArray[np.float64]:
        """Return uniform numbers in [0, 1), multiples of 2**-53."""
        return (self.bits(purpose, *indices) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, bound: Index, purpose: str, *indices: Index) -> NDArray[np.int64]:
        """Return uniform integers in [0, bound), for bounds far below 2**53."""
        return (self.unit(purpose, *indices) * bound).astype(np.int64)

    def one_below(self, bound: int, purpose: str, *indices: int) -> int:
        """Return a single integer in [0, bound)."""
        return int(self.below(bound, purpose, *indices)[0])


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply the finalizer of SplitMix64; unsigned overflow is intended."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))
