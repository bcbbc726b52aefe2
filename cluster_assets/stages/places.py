"""Where some of the points of a day are: what regions and blocks are cut by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from cluster_assets.ports import Statement

    Fetch = Callable[[Statement], Iterable[Mapping[str, object]]]


def sampled_places(fetch: Fetch, names: tuple[str, ...], every: int) -> NDArray[np.float64]:
    """The coordinates of every k-th point, by point id.

    Args:
        fetch: Runs a statement that reads `points`, and answers its rows.
        names: Columns of `points`, DOUBLE.
        every: The k.

    Returns:
        Shape (points, names).
    """
    statement = bind("blocks/sampled.sql", structure={"columns": names}, values={"every": every})
    rows = [(row["point_id"], *(row[name] for name in names)) for row in fetch(statement)]
    table = np.array(rows, dtype=np.float64).reshape(-1, 1 + len(names))
    return table[np.argsort(table[:, 0]), 1:]  # any order gives the same cuts
