"""How a day is cut on its way to the worker: the answer must be the same for every cut."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass(frozen=True)
class Split:
    """How a day reaches the worker."""

    bins: int = 1
    files: int = 1
    batch: int = 1 << 16
    seed: int = 0


splits = st.builds(
    Split, st.sampled_from([1, 2, 7]), st.integers(1, 3), st.sampled_from([1, 7, 1 << 16]), st.integers(0, 99)
)
