"""Pairs written by place: each file of candidates holds the pairs of one region of the space.

Forests of such shards have about as many pairs as there are points; those of random shards barely fewer than
the day (measured: 0.65 of 8.1 million pairs are left by region, 8.63 of 8.75 at random).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.tables import CANDIDATES, Column, TableContract
from cluster_assets.metrics.blocks import cut_space, home_of
from cluster_assets.ports import Statement
from cluster_assets.sql_files import column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cluster_assets.metrics.plans import Comparison

MOST_SHARDS = 100
"""Partitions that Athena and Trino write in a statement."""

SHARDED_CANDIDATES = TableContract(
    "candidates",
    (*CANDIDATES.columns, Column("shard", "bigint")),
    sort_by=("shard", "point_a", "point_b"),
    partitioned_by="shard",
)

_IN_SPACE = ("vector", "geo")


def place_columns(comparison: Comparison) -> tuple[str, ...]:
    """The columns of `points` that tell where a point is: its coordinates; its id where it has none."""
    if comparison.kind not in _IN_SPACE:
        return ("point_id",)
    return tuple(feature.name for feature in comparison.columns)


def sharded(pairs: Statement, names: tuple[str, ...], sample: NDArray[np.float64], shards: int) -> Statement:
    """The statement that fills `SHARDED_CANDIDATES`: the same pairs, with the region of their first point.

    Args:
        pairs: Fills `CANDIDATES`; it may read `points`.
        names: Columns of `points` that tell where a point is.
        sample: Shape (points, names): some points.
        shards: Regions wanted; neighbours in number are neighbours in space.
    """
    cuts = cut_space(sample, min(shards, MOST_SHARDS))
    home = exp.cast(home_of(cuts, names), exp.DType.BIGINT)
    homes = exp.select(column("point_id"), home.as_("shard")).from_("points").subquery("homes")
    near = pairs.tree.copy().subquery("near")
    wanted = [exp.column(one.name, table="near") for one in CANDIDATES.columns]
    met = exp.column("point_id", table="homes").eq(exp.column("point_a", table="near"))
    tree = exp.select(*wanted, exp.column("shard", table="homes")).from_(near).join(homes, on=met)
    return Statement(f"{pairs.name}, by region", tree, order_sensitive=pairs.order_sensitive)
