"""Refinements of the pairs: written by region, or without pairs inside a component.

If each file of candidates holds the pairs of one region, the forests of the shards have about as many pairs
as there are points; those of random shards have hardly fewer pairs than the day (measured: 0.65 of 8.1
million pairs are left by region, 8.63 of 8.75 at random).

A further level of HDBSCAN needs only the pairs between components that nearer pairs did not join.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.ports import MOST_PARTITIONS, Statement
from cluster_assets.backends.statements import column
from cluster_assets.domain.tables import CANDIDATES, Column, TableContract, scratch_table
from cluster_assets.stages.candidates.metrics.blocks import cut_space, home_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cluster_assets.stages.candidates.metrics.plans import Comparison

SHARDED_CANDIDATES = TableContract(
    "candidates",
    (*CANDIDATES.columns, Column("shard", "bigint")),
    sort_by=("shard", "point_a", "point_b"),
    partitioned_by="shard",
)

_IN_SPACE = ("vector", "geo")


def place_columns(comparison: Comparison) -> tuple[str, ...]:
    """Return the columns of `points` with the position of a point: its coordinates, or its id without any."""
    if comparison.kind not in _IN_SPACE:
        return ("point_id",)
    return tuple(feature.name for feature in comparison.columns)


def sharded(pairs: Statement, names: tuple[str, ...], sample: NDArray[np.float64], shards: int) -> Statement:
    """Return the statement that fills `SHARDED_CANDIDATES`: the pairs with the region of their first point.

    Args:
        pairs: Fills `CANDIDATES`; it may read `points`.
        names: Columns of `points` with the position of a point.
        sample: A sample of the points, of shape (points, names).
        shards: Wanted number of regions; regions with adjacent numbers are adjacent in space.
    """
    cuts = cut_space(sample, min(shards, MOST_PARTITIONS))
    home = exp.cast(home_of(cuts, names), exp.DType.BIGINT)
    homes = exp.select(column("point_id"), home.as_("shard")).from_("points").subquery("homes")
    near = pairs.tree.copy().subquery("near")
    wanted = [exp.column(one.name, table="near") for one in CANDIDATES.columns]
    met = exp.column("point_id", table="homes").eq(exp.column("point_a", table="near"))
    tree = exp.select(*wanted, exp.column("shard", table="homes")).from_(near).join(homes, on=met)
    return Statement(f"{pairs.name}, by region", tree, order_sensitive=pairs.order_sensitive)


COMPONENTS = scratch_table("components", {"point_id": "bigint", "component": "bigint"}, sort_by=("point_id",))


def between_components(pairs: Statement) -> Statement:
    """Return the statement for the same pairs without those inside a component; it also reads `COMPONENTS`.

    Inside a component, every pair is at least as far apart as some pair of its forest, so no minimum spanning
    forest needs it.
    """
    near = pairs.tree.copy().subquery("near")
    wanted = [exp.column(one.name, table="near") for one in CANDIDATES.columns]
    tree = exp.select(*wanted).from_(near)
    for alias, end in (("one", "point_a"), ("other", "point_b")):
        met = exp.column("point_id", table=alias).eq(exp.column(end, table="near"))
        tree = tree.join(exp.to_table("components").as_(alias), on=met)
    apart = exp.column("component", table="one").neq(exp.column("component", table="other"))
    name = f"{pairs.name}, between components"
    return Statement(name, tree.where(apart), order_sensitive=pairs.order_sensitive)
