"""Points that a former day has too, and their pairs, which need not be compared again.

A distance depends on nothing but the two feature values and the pipeline (`reuse.py` excludes the others), so
the pairs of kept points are those of the former day by other ids. The executor finds the pairs of new points:
among each other and with kept ones. Both together are the rows that it would find alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.ports import Statement
from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import CANDIDATES, Column, TableContract, scratch_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation
    from cluster_assets.stages.candidates.metrics import Comparison

KEPT = scratch_table("kept", {"point_id": "bigint", "former_id": "bigint"}, sort_by=("point_id",))
KEPT_PAIRS = TableContract(
    "kept_pairs",
    (*CANDIDATES.columns, Column("block", "bigint")),
    sort_by=("block", "point_a", "point_b"),
    partitioned_by="block",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """The points of a day that a former day has too, and the pairs of that day.

    Attributes:
        points: A table `KEPT`.
        candidates: All near pairs of the former day.
    """

    points: FileRelation
    candidates: FileRelation

    @property
    def relations(self) -> Mapping[str, FileRelation]:
        """The tables by the names that the statements give them."""
        return {"kept": self.points, "former_candidates": self.candidates}


def find_kept(comparison: Comparison) -> Statement:
    """Return the statement that fills `KEPT` from `points` and `former_points`."""
    names = tuple(f'"{column.name}"' for column in comparison.columns)
    return bind("candidates/reuse/kept.sql", structure={"columns": names})


def with_kept_pairs(fresh: Statement) -> Statement:
    """Return the statement for the pairs of kept points and those of another statement."""
    kept = bind("candidates/reuse/pairs.sql", structure={"has_blocks": False})
    halves = [
        exp.select(*(exp.column(one.name, table=name) for one in CANDIDATES.columns)).from_(
            pairs.tree.copy().subquery(name)
        )
        for name, pairs in (("fresh", fresh), ("known", kept))
    ]
    tree = exp.union(*halves, distinct=False)
    return Statement(f"{fresh.name}, and kept pairs", tree, order_sensitive=fresh.order_sensitive)


def kept_pairs_by_block(values: Mapping[str, int]) -> Statement:
    """Return the statement that fills `KEPT_PAIRS` for some blocks of ids."""
    return bind("candidates/reuse/pairs.sql", structure={"has_blocks": True}, values=values)
