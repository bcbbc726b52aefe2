"""Grid cells and their neighbours: what the grid joins share."""

from __future__ import annotations

import itertools

RELATIVE_SLACK = (
    1 + 2.0**-10
)  # a cell is that much wider than the threshold; see the proofs in sql/candidates


def half_neighbourhood(axes: int) -> tuple[tuple[int, ...], ...]:
    """Steps to the own cell, first, and to the half of its neighbours that lies above it.

    Looked up from every cell, each pair of neighbouring cells is met once.

    >>> half_neighbourhood(2)
    ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
    """
    own = (0,) * axes
    return tuple(step for step in itertools.product((-1, 0, 1), repeat=axes) if step >= own)
