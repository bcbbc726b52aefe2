"""Grid cells and their neighbours: what the grid joins share."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def located(measured_on: Sequence[str], cells: Sequence[str]) -> TableContract:
    """The scratch table of points with their cells.

    The order by one axis brings points of neighbouring cells near each other, which halves the time of a
    join; an order by all axes costs more and gains little.
    """
    columns = (
        Column("point_id", "bigint"),
        *(Column(name, "double") for name in measured_on),
        *(Column(name, "bigint") for name in cells),
    )
    return TableContract("located", columns, sort_by=("c0",))
