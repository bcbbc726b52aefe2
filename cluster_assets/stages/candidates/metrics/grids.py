"""Grid cells and their neighbours, shared by the grid joins."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import scratch_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.tables import TableContract

RELATIVE_SLACK = (
    1 + 2.0**-10
)  # cells are wider than the threshold by this factor; see the proofs in sql/candidates


def half_neighbourhood(axes: int) -> tuple[tuple[int, ...], ...]:
    """Return the steps to a cell itself, first, and to the upper half of its neighbours.

    If every cell is looked up by these steps, each pair of neighbouring cells occurs once.

    >>> half_neighbourhood(2)
    ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
    """
    own = (0,) * axes
    return tuple(step for step in itertools.product((-1, 0, 1), repeat=axes) if step >= own)


def located(measured_on: Sequence[str], cells: Sequence[str]) -> TableContract:
    """Return the contract of the scratch table of points with their cells.

    Sorting by one axis places points of neighbouring cells close together, which halves the time of a join.
    Sorting by all axes costs more and gains little.
    """
    columns = {"point_id": "bigint", **dict.fromkeys(measured_on, "double"), **dict.fromkeys(cells, "bigint")}
    return scratch_table("located", columns, sort_by=("c0",))
