"""Pairs of a further level of HDBSCAN: those between components that nearer pairs did not join."""

from __future__ import annotations

import sqlglot.expressions as exp

from cluster_assets.domain.tables import CANDIDATES, Column, TableContract
from cluster_assets.ports import Statement

COMPONENTS = TableContract(
    "components", (Column("point_id", "bigint"), Column("component", "bigint")), sort_by=("point_id",)
)


def between_components(pairs: Statement) -> Statement:
    """The same pairs without those inside a component; reads `COMPONENTS` besides.

    Inside a component every pair is as far apart as a pair of its forest, or farther: no minimum spanning
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
