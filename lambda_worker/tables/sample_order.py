"""A pseudorandom order of points that depends only on their ids: the same sample on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def sample_order(ids: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Hash each id to a distinct number, shape (ids,).

    The finalizer of splitmix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators,
    OOPSLA 2014), which maps 64 bits to 64 bits one to one.
    """
    mixed = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
